"""The training flow: collect, version, run the DVC stages, register, promote and publish."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from pipelines import versioning
from portfolio.contract.loading import load_use_case
from portfolio.core import files
from portfolio.core.counted import counted
from portfolio.core.errors import RegistryUnreachableError, UnreachableError
from portfolio.core.paths import LOGS_VARIABLE, Paths
from portfolio.core.terminal import step, steps_shown
from portfolio.data.collect import Collected
from portfolio.data.collect import collect as collect_new
from portfolio.evaluation.gate import Verdict
from portfolio.registry.registry import Registry

REPORT = "report"


@dataclass(frozen=True)
class Outcome:
    """What one run of the flow came to. `seconds` are by step; steps may overlap."""

    collected: Collected
    stages_run: list[str]
    version: int
    verdict: Verdict
    seconds: dict[str, float]

    def markdown(self, use_case: str) -> str:
        lines = [
            f"# Training of {use_case}",
            f"- new batches: {len(self.collected.added)} ({counted(self.collected.rows, 'row')})",
            f"- stages that ran: {', '.join(self.stages_run) or 'none, nothing has changed'}",
            f"- version {self.version}: {'promoted and published' if self.verdict.promoted else 'not promoted'}",
            f"- why: {self.verdict.reason}",
            "",
            *(f"- {'passed' if check.passed else '**failed**'}: {check.told('en')}" for check in self.verdict.checks),
            "",
            "| step | seconds |",
            "| --- | ---: |",
            *(f"| {name} | {seconds:.1f} |" for name, seconds in self.seconds.items()),
        ]
        return "\n".join(lines)


async def _is_unreachable(task: object, run: object, state: State[object]) -> bool:
    return isinstance(await state.aresult(raise_on_failure=False), (UnreachableError, RegistryUnreachableError))


@task(retries=2, retry_delay_seconds=5, retry_condition_fn=_is_unreachable)
def collect(use_case: str) -> Collected:
    """Ask the source for batches that are new. Only a source that did not answer is asked again."""
    with step("collect") as shown:
        case = load_use_case(use_case)
        done = collect_new(case.source, Paths(use_case).batches, case.config().collect.until)
        shown.result = str(done)
    get_run_logger().info(shown.result)
    return done


@task
def version(use_case: str) -> None:
    """Put the raw batches under DVC."""
    with step("version") as shown:
        versioning.add(Paths(use_case).batches)
        shown.result = f"{Paths(use_case).batches}.dvc"


@task(retries=2, retry_delay_seconds=5, retry_condition_fn=_is_unreachable)
def find_champion(use_case: str) -> None:
    """Fetch the champion that git names, if nothing here has it: a run that can't compare ends before it trains."""
    with step("find champion") as shown:
        shown.result = _registry(use_case).find_champion()
    get_run_logger().info(shown.result)


@task(retries=2, retry_delay_seconds=5, retry_condition_fn=_is_unreachable)
def settle(use_case: str, number: int) -> None:
    """See to it that the registry, the store and git name the same champion, which version `number` is to challenge."""
    with step("champion") as shown:
        shown.result = _registry(use_case).settle(number).finding
    get_run_logger().info(shown.result)


@task(task_run_name="{address}")
def run_stage(address: str, force: bool = False) -> bool:
    """Run one stage of dvc.yaml, unless nothing it depends on has changed. What it prints is the task's log."""
    name, use_case = address.split("@")
    log = Paths(use_case).log(name)
    with versioning.log_of_this_run(log), step(name, log) as shown:
        try:
            ran = versioning.reproduce(address, log, force=force)
        finally:
            printed = log.read_text(errors="replace").strip() if log.exists() else ""
            get_run_logger().info(printed or "nothing was run")
        if printed:
            shown.result = printed.splitlines()[-1]
        else:
            shown.result = (
                "the same was run before: its outputs come from DVC's cache" if ran else "nothing has changed"
            )
    return ran


@task(retries=2, retry_delay_seconds=5, retry_condition_fn=_is_unreachable)
def register(use_case: str) -> int:
    """Log every candidate with MLflow, and register the best one. What was logged before is not logged again."""
    with step("register") as shown:
        case = load_use_case(use_case)
        number = Registry(case).register(case.config())
        shown.result = f"version {number}"
    get_run_logger().info(shown.result)
    return number


@task(retries=2, retry_delay_seconds=5, retry_condition_fn=_is_unreachable)
def promote(use_case: str, number: int) -> Verdict:
    """Ask the gate; if it lets the version through, make it champion and publish its bundle."""
    with step("promote") as shown:
        verdict = _registry(use_case).promote(number)
        if Paths(use_case).champion.exists():
            versioning.add(Paths(use_case).champion)
        shown.result = f"{'promoted and published' if verdict.promoted else 'not promoted'}: {verdict.reason}"
    get_run_logger().info(shown.result)
    return verdict


# mypy can't see the type that a task runner is generic in.
@flow(name="training", task_runner=ThreadPoolTaskRunner(max_workers=2))  # type: ignore[arg-type]
def training(use_case: str) -> Outcome:
    """From new data to a published champion. The stages and their order are read from dvc.yaml."""
    os.environ[LOGS_VARIABLE] = "1"
    under_way = files.alone(Paths(use_case).lock("run"), f"another run of '{use_case}'")
    with under_way, steps_shown() as steps:
        find_champion(use_case)
        collected = collect(use_case)
        version(use_case)
        ran = run_stages(use_case)
        number = register(use_case)
        settle(use_case, number)
        verdict = promote(use_case, number)
        # The report tells the verdict too, so it is written when that is known.
        if run_stage(f"{REPORT}@{use_case}", force=Paths(use_case).report_is_stale()):
            ran.append(f"{REPORT}@{use_case}")
        outcome = Outcome(collected, ran, number, verdict, steps.seconds)
    create_markdown_artifact(key=artifact_key(use_case), markdown=outcome.markdown(use_case))
    return outcome


def run_stages(use_case: str) -> list[str]:
    """Run the stages before the report, each once those that it needs have ended. Gives back those that ran."""
    stages: dict[str, PrefectFuture[bool]] = {}
    for address, needs in versioning.stage_graph(use_case).items():
        if address != f"{REPORT}@{use_case}":
            stages[address] = run_stage.submit(address=address, return_state=False, wait_for=[stages[n] for n in needs])
    return [address for address, future in stages.items() if future.result()]


def _registry(use_case: str) -> Registry:
    return Registry(load_use_case(use_case), versioning.fetch)


def artifact_key(use_case: str, what: str = "training") -> str:
    """Prefect's artifact keys have lower-case letters, digits and dashes only."""
    return f"{what}-{re.sub('[^a-z0-9]+', '-', use_case.lower())}"
