"""The approval flow: a person says in Prefect's UI whether a version may be promoted.

No process waits for the answer. The run is suspended, and begins once more when it is resumed.
"""

from __future__ import annotations

from uuid import UUID

from prefect import flow, runtime, suspend_flow_run
from prefect.deployments import run_deployment
from prefect.input import RunInput, create_flow_run_input, read_flow_run_input
from prefect.input.run_input import Keyset, keyset_from_paused_state
from prefect.states import Suspended

from pipelines.notices import notice, tell_end
from pipelines.training import TRAINING_SECONDS, alone, promote, report
from portfolio.evaluation.gate import Verdict

APPROVAL_SECONDS = 24 * 3600
"""So long a person may take."""


class Answer(RunInput):
    """What a person is asked."""

    promote: bool = False

    @classmethod
    def save(cls, keyset: Keyset, flow_run_id: UUID | None = None) -> None:
        """Write the form, unless it is there: Prefect's own `save` fails in a run that is retried."""
        for name, value in (("schema", cls.model_json_schema()), ("description", cls._description)):
            if read_flow_run_input(keyset[name], flow_run_id) is None:
                create_flow_run_input(keyset[name], value, flow_run_id)


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
    answer = _answer(question, f"{use_case}-{version}")
    with alone(use_case):
        # What has happened meanwhile counts: the gate is asked again.
        verdict = promote(use_case, version, "given" if answer.promote else "denied")
        report(use_case)
    return verdict


def _answer(question: str, key: str) -> Answer:
    """What a person has said. Until then it suspends the run.

    An answer that was given is not asked for again, if the run was killed after it and is retried.
    """
    keyset = keyset_from_paused_state(Suspended(pause_key=key))
    if (given := read_flow_run_input(keyset["response"])) is not None:
        return Answer(**given)
    asked = Answer.with_initial_data(description=question)
    # Prefect does so after the run is suspended: after a kill between, nobody could answer.
    asked.save(keyset)
    notice(question, str(runtime.flow_run.id))
    return suspend_flow_run(asked, timeout=APPROVAL_SECONDS, key=key)


def ask(use_case: str, version: int, why: str) -> None:
    """Start a run of it, on the server on which the deployments are served."""
    asked = {"use_case": use_case, "version": version, "why": why}
    run_deployment("approval/portfolio", parameters=asked, timeout=0, as_subflow=False)
