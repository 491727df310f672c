"""The approval flow: a person says in Prefect's UI whether a version may be promoted.

No process waits for the answer. The run is suspended, and begins once more when it is resumed.
"""

from __future__ import annotations

from prefect import flow, runtime, suspend_flow_run
from prefect.deployments import run_deployment
from prefect.input import RunInput

from pipelines.notices import notice, tell_end
from pipelines.training import TRAINING_SECONDS, alone, promote, report
from portfolio.evaluation.gate import Verdict

APPROVAL_SECONDS = 24 * 3600
"""So long a person may take."""


class Answer(RunInput):
    """What a person is asked."""

    promote: bool = False


@flow(
    name="approval",
    timeout_seconds=TRAINING_SECONDS + 3600,
    on_completion=[tell_end],
    on_failure=[tell_end],
    on_crashed=[tell_end],
)
def approval(use_case: str, version: int, why: str) -> Verdict:
    """Ask whether a version may be promoted, and do as the answer says. A training starts it.

    Args:
        use_case: One of the use cases in params.yaml.
        version: Number of a registered version that the gate lets through.
        why: What the gate found.
    """
    question = f"May version {version} of '{use_case}' be promoted? {why}"
    if runtime.flow_run.run_count == 1:
        notice(question, str(runtime.flow_run.id))
    answer = suspend_flow_run(
        Answer.with_initial_data(description=question), timeout=APPROVAL_SECONDS, key=f"{use_case}-{version}"
    )
    with alone(use_case):
        # What has happened meanwhile counts: the gate is asked again.
        verdict = promote(use_case, version, "given" if answer.promote else "denied")
        report(use_case)
    return verdict


def ask(use_case: str, version: int, why: str) -> None:
    """Start a run of it, on the server on which the deployments are served."""
    asked = {"use_case": use_case, "version": version, "why": why}
    run_deployment("approval/portfolio", parameters=asked, timeout=0, as_subflow=False)
