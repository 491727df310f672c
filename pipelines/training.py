"""The training flow: collect, version, run the DVC stages, register, promote and publish."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import Flow, flow, get_run_logger, runtime, task
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import FlowRun, State
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner
from sqlalchemy.exc import DBAPIError, OperationalError

from pipelines import versioning
from pipelines.notices import tell_end
from portfolio.bundle.store import Store
from portfolio.contract.loading import load_use_case
from portfolio.core import files
from portfolio.core.counted import counted
from portfolio.core.errors import DataError, RegistryUnreachableError, UnreachableError
from portfolio.core.paths import LOGS_VARIABLE, Paths
from portfolio.core.terminal import Steps, step, steps_shown
from portfolio.data.collect import Collected
from portfolio.data.collect import collect as collect_new
from portfolio.evaluation.gate import Approval, Verdict
from portfolio.monitoring.events import looks_of, note_event
from portfolio.monitoring.feedback import Taken, take_feedback
from portfolio.monitoring.looks import Event
from portfolio.monitoring.prediction_log.address import log_address, log_unusable
from portfolio.monitoring.retraining import OF_MONITOR, AskedBy, current_request, note_cancelled, retraining
from portfolio.registry.registry import Registry

REPORT = "report"
TRAINING_SECONDS = 12 * 3600
"""So long a run may take, and whatever waits for it."""


@dataclass(frozen=True)
class Outcome:
    """What one run of the flow came to. `seconds` are by step; steps may overlap."""

    collected: Collected
    feedback: Taken
    stages_run: list[str]
    version: int
    verdict: Verdict
    seconds: dict[str, float]
    quarantined: list[dict[str, Any]]
    """The new batches that went into quarantine whole: `batch`, `rows`, and the most common `reason`."""

    def markdown(self, use_case: str) -> str:
        lines = [
            f"# Training of {use_case}",
            f"- new batches: {len(self.collected.added)} ({counted(self.collected.rows, 'row')})",
            f"- labels that came back: {self.feedback}",
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


async def is_locked(task: object, run: object, state: State[object]) -> bool:
    return isinstance(await state.aresult(raise_on_failure=False), OperationalError)


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


@task(retries=2, retry_delay_seconds=5, retry_condition_fn=is_locked)
def collect_feedback(use_case: str) -> Taken:
    """Make a batch of the labels that came back to the server, if there are new ones."""
    address = log_address(use_case)
    if address is None:
        return Taken(notes=["no server has made a prediction log yet"])
    with step("collect feedback") as shown:
        case = load_use_case(use_case)
        done = take_feedback(case, case.config().retrain, address, Paths(use_case).batches)
        shown.result = str(done)
    get_run_logger().info(shown.result)
    return done


def _take_feedback(use_case: str) -> Taken:
    try:
        return collect_feedback(use_case)
    except DBAPIError as error:
        address = log_address(use_case)
        assert address is not None, "without a log there is no fault of one"
        fault = log_unusable(address, error)
        raise DataError(f"{fault} To train without what came back to the server: --no-feedback") from error


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
def run_stage(address: str, figures: Sequence[Path] = (), force: bool = False) -> bool:
    """Run one stage of dvc.yaml, unless nothing it depends on has changed. What it prints is the task's log."""
    name, use_case = address.split("@")
    log = Paths(use_case).log(name)
    with versioning.log_of_this_run(log), step(name, log) as shown:
        try:
            ran = versioning.reproduce(address, log, figures, force=force)
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
def promote(use_case: str, number: int, approval: Approval = "given") -> Verdict:
    """Ask the gate; if it lets the version through, make it champion and publish its bundle."""
    with step("promote") as shown:
        verdict = _registry(use_case).promote(number, approval=approval)
        if Paths(use_case).champion.exists():
            versioning.add(Paths(use_case).champion)
        shown.result = f"{'promoted and published' if verdict.promoted else 'not promoted'}: {verdict.reason}"
    get_run_logger().info(shown.result)
    return verdict


def _end_retraining(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    note_cancelled(flow_run.parameters["use_case"])


TASK_RUNNER: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=2)


@flow(
    name="training",
    task_runner=TASK_RUNNER,  # type: ignore[arg-type]
    timeout_seconds=TRAINING_SECONDS,
    on_completion=[tell_end],
    on_failure=[tell_end],
    on_crashed=[tell_end],
    on_cancellation=[tell_end, _end_retraining],
)
def training(use_case: str, feedback: bool = True, asked_by: AskedBy = "person") -> Outcome | None:
    """From new data to a published champion. The stages and their order are read from dvc.yaml.

    Gives back None if the monitor asked for it, and another run has done it meanwhile; or a schedule did, and the use
    case has no champion yet.

    Args:
        use_case: One of the use cases in params.yaml.
        feedback: Whether labels that came back to the server are learned from, too.
        asked_by: Who asked for this run. The monitor's own are limited by retrain.max_per_week.
    """
    os.environ[LOGS_VARIABLE] = "1"
    with alone(use_case) as steps:
        if asked_by in OF_MONITOR and not _is_due(use_case):
            get_run_logger().info("it is not due any more: another run has been under way meanwhile")
            return None
        if asked_by == "schedule" and not Store.of(use_case).champion_path.exists():
            get_run_logger().info("there is no champion to renew: the first training is started by hand")
            return None
        begun = datetime.now(UTC)
        find_champion(use_case)
        collected = collect(use_case)
        taken = _take_feedback(use_case) if feedback else Taken(notes=["left out, as this run was told"])
        is_retraining = collected.added or taken.path or asked_by in OF_MONITOR
        with retraining(use_case, asked_by, taken.rows, begun) if is_retraining else nullcontext():
            version(use_case)
            ran = run_stages(use_case)
            quarantined = _note_quarantined(use_case, [*collected.added, *([taken.path.stem] if taken.path else [])])
            number = register(use_case)
            settle(use_case, number)
            asks = load_use_case(use_case).config().retrain.require_approval
            verdict = promote(use_case, number, "awaited" if asks else "given")
            ran += report(use_case)
    if verdict.awaits_approval and runtime.deployment.id is not None:
        # Imported here, because it builds on this flow.
        from pipelines.approval import ask

        ask(use_case, number, verdict.approved("given").reason)
    if feedback and is_retraining:
        with looks_of(use_case) as looks:
            if looks is not None:
                looks.act(begun)
    outcome = Outcome(collected, taken, ran, number, verdict, steps.seconds, quarantined)
    create_markdown_artifact(key=artifact_key(use_case), markdown=outcome.markdown(use_case))
    return outcome


def _is_due(use_case: str) -> bool:
    """Whether the monitor would still ask for a retraining. It asks again and again, also while one waits its turn."""
    address = log_address(use_case)
    return address is not None and current_request(load_use_case(use_case), address).is_due


@contextmanager
def alone(use_case: str) -> Iterator[Steps]:
    """Show the steps of this run, while no other run of the use case is under way."""
    lock = files.alone(Paths(use_case).lock("run"), f"another run of '{use_case}'")
    with lock, steps_shown() as steps:
        yield steps


def report(use_case: str) -> list[str]:
    """Write the report, which tells the verdict too. Gives back what ran."""
    address = f"{REPORT}@{use_case}"
    return [address] if run_stage(address, force=Paths(use_case).report_is_stale()) else []


def _note_quarantined(use_case: str, batches: list[str]) -> list[dict[str, Any]]:
    """Note which of the new batches have gone into quarantine whole, and give them back."""
    import polars as pl

    paths, found = Paths(use_case), []
    for name in batches:
        refused = paths.quarantine / f"{name}.parquet"
        if refused.exists() and not (paths.clean / refused.name).exists():
            reasons = pl.read_parquet(refused, columns=["reason"])["reason"]
            figures = {"batch": name, "rows": len(reasons), "reason": reasons.mode()[0]}
            note_event(use_case, Event("quarantined", figures=figures))
            found.append(figures)
    return found


def run_stages(use_case: str) -> list[str]:
    """Run the stages before the report, each once those that it needs have ended. Gives back those that ran."""
    stages: dict[str, PrefectFuture[bool]] = {}
    for address, stage in versioning.stage_graph(use_case).items():
        if address != f"{REPORT}@{use_case}":
            needed = [stages[need] for need in stage.needs]
            stages[address] = run_stage.submit(address, stage.figures, return_state=False, wait_for=needed)
    return [address for address, future in stages.items() if future.result()]


def _registry(use_case: str) -> Registry:
    return Registry(load_use_case(use_case), versioning.fetch)


def artifact_key(use_case: str, what: str = "training") -> str:
    """Prefect's artifact keys have lower-case letters, digits and dashes only."""
    return f"{what}-{re.sub('[^a-z0-9]+', '-', use_case.lower())}"
