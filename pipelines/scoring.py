"""The scoring flow: all rows of files, answered by the champion into one output."""

from __future__ import annotations

from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact

from pipelines.notices import tell_end
from pipelines.training import artifact_key
from portfolio.core.counted import counted
from portfolio.scoring.job import Job
from portfolio.scoring.summary import Summary


@task(retries=2, retry_delay_seconds=5)
def score(use_case: str, source: str, target: str) -> Summary:
    """What was scored before a failure is not scored again."""
    found = Job(use_case, Path(source), Path(target)).run()
    get_run_logger().info("%s scored, %s rejected", counted(found.rows, "row"), counted(found.rejected, "row"))
    return found


@flow(
    name="scoring",
    timeout_seconds=12 * 3600,
    on_completion=[tell_end],
    on_failure=[tell_end],
    on_crashed=[tell_end],
)
def scoring(use_case: str, source: str, target: str) -> Summary:
    """Answer the rows of files by the champion.

    Args:
        use_case: One of the use cases in params.yaml.
        source: A CSV or Parquet file, or a folder of them.
        target: The file that is written.
    """
    found = score(use_case, source, target)
    create_markdown_artifact(key=artifact_key(use_case, "scoring"), markdown=_markdown(found, target))
    return found


def _markdown(found: Summary, target: str) -> str:
    lines = [
        f"# Scoring of {found.use_case}, by version {found.model_version}",
        f"- output: `{target}`",
        f"- answered: {counted(found.rows, 'row')}, {found.by_machine:,} of them by the machine alone",
        f"- rejected: {counted(found.rejected, 'row')}",
        *(f"  - {count:,}: {reason}" for reason, count in found.reasons.items()),
    ]
    if found.expected_yen is not None:
        lines.append(f"- expected to save: {found.expected_yen:,.0f} yen of {found.by_hand_yen:,.0f} by hand")
    return "\n".join(lines)
