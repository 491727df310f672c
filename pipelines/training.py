"""The training flow: collect, version, run the DVC stages, register, promote, publish."""

from __future__ import annotations

import time

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from portfolio import source
from portfolio.config import load_config
from portfolio.errors import SourceError
from portfolio.gate import Verdict
from portfolio.source import Collected
from portfolio.use_case import load_use_case


@task(retries=2, retry_delay_seconds=5, retry_condition_fn=lambda task, run, state: _is_passing(state))
def collect(use_case: str) -> Collected:
    """Ask the source for batches that are new. Only a source that did not answer is asked again."""
    case = load_use_case(use_case)
    done = source.collect(case.source(load_config(use_case)), source.raw_folder(use_case))
    get_run_logger().info("%d new batches (%d rows), %d were there already", len(done.added), done.rows, done.present)
    return done


@task
def version(use_case: str) -> None:
    """Put the raw batches under DVC."""
    from pipelines.versioning import add

    add(source.raw_folder(use_case))


@task(task_run_name="{address}")
def run_stage(address: str) -> bool:
    """Run one stage of dvc.yaml, unless nothing it depends on has changed."""
    from pipelines.versioning import reproduce

    started = time.monotonic()
    ran = reproduce(address)
    took = f"ran in {time.monotonic() - started:.1f} s" if ran else "nothing has changed"
    get_run_logger().info("%s: %s", address, took)
    return ran


@task
def register_and_promote(use_case: str) -> tuple[int, Verdict]:
    """Register the best candidate; if the gate lets it, make it champion and publish its bundle."""
    from portfolio.registry import Registry

    registry = Registry(load_use_case(use_case))
    number = registry.register(load_config(use_case))
    verdict = registry.promote(number)
    get_run_logger().info("version %d: %s (%s)", number, "promoted" if verdict.promoted else "refused", verdict.reason)
    return number, verdict


# mypy can't see the type that a task runner is generic in.
@flow(name="training", task_runner=ThreadPoolTaskRunner(max_workers=2))  # type: ignore[arg-type]
def training(use_case: str) -> None:
    """From new data to a published champion. The stages and their order are read from dvc.yaml."""
    from pipelines.versioning import stage_graph

    collected = collect(use_case)
    version(use_case)
    stages: dict[str, PrefectFuture[bool]] = {}
    for address, needs in stage_graph(use_case).items():
        stages[address] = run_stage.submit(address=address, return_state=False, wait_for=[stages[n] for n in needs])
    ran = [address for address, future in stages.items() if future.result()]
    number, verdict = register_and_promote(use_case)
    create_markdown_artifact(
        key=f"training-{use_case}",
        markdown="\n".join(
            [
                f"# Training of {use_case}",
                f"- new batches: {len(collected.added)} ({collected.rows:,} rows)",
                f"- stages that ran: {', '.join(ran) or 'none, nothing has changed'}",
                f"- version {number}: {'promoted and published' if verdict.promoted else 'not promoted'}",
                f"- why: {verdict.reason}",
            ]
        ),
    )


def _is_passing(state: object) -> bool:
    try:
        state.result()  # type: ignore[attr-defined]
    except SourceError:
        return True
    except Exception:
        return False
    return False
