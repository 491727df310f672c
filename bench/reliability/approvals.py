"""kill -9 of the flow that asks a person, with whoever serves the deployments, and on with whoever serves them next."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from bench.reliability import toy
from bench.reliability.asking import call, wait_until
from bench.reliability.flows import Flow
from bench.reliability.steps import MOMENTS, aftermath
from bench.rows import Row
from pipelines.deployments import SERVED
from portfolio.core.paths import Paths
from portfolio.monitoring.looks import Looks
from tests.checkouts import committed
from tests.workspace import TOY, edit_config

NUMBER = 2
"""The version that a person is asked about."""
SECONDS = 300.0
REPORT = f"report@{TOY}"
SCENARIOS: dict[bool, list[tuple[str, ...]]] = {
    True: [("create_flow_run_input", "notice", "suspend_flow_run", "promote", REPORT), ("note_event",)],
    False: [("note_event", "promote", REPORT)],
}
"""By what a person says, the steps at which a project is killed. A promotion is noted after all else, and once."""
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
GOOD, FEEBLE = (f'super().candidates()["logistic_regression"]{more}' for more in ("", ".set_params(C=1e-6)"))


@cache
def awaiting() -> Path:
    """A project with a champion that is worth little, and a version that waits for a person. Not to be changed."""
    project = toy.copy(toy.untrained(), toy.temporary() / "awaiting")
    training = Flow("training", {"use_case": TOY}, project, toy.temporary() / "run.log", toy.prefect())
    code = project / "use_cases" / TOY / "use_case.py"
    whole = code.read_text()
    code.write_text(whole.replace(GOOD, FEEBLE))
    with chdir(project):
        edit_config(TOY, train={"max_epochs": 1, "learning_rate": 1e-6})
    committed(project)
    training.run()
    with toy.served(project) as url:
        # So that there is a log, beside which is noted what becomes of versions.
        toy.ask(url, *toy.rows(1, seed=0))
        wait_until(lambda: toy.logged_rows(project) == 1)
    code.write_text(whole)
    with chdir(project):
        edit_config(TOY, retrain={"require_approval": True})
    committed(project)
    training.run()
    return project


def approval_killed(work: Path) -> list[Row]:
    """The approval flow is killed at each of its steps, and retried: its version is promoted once, or refused."""
    found = []
    for agreed in (True, False):
        whole = undisturbed(toy.copy(awaiting(), work / f"{agreed}" / "whole"), agreed=agreed)
        for number, steps in enumerate(SCENARIOS[agreed]):
            project = toy.copy(awaiting(), work / f"{agreed}-{number}" / "project")
            found.append(_killed(project, whole, steps, agreed=agreed))
    # All are counts.
    return [
        replace(
            rows[0],
            value=sum(row.value for row in rows),
            at_least=rows[0].at_least and sum(row.at_least or 0 for row in rows),
        )
        for rows in zip(*found, strict=True)
    ]


class Undisturbed(NamedTuple):
    """What an approval makes that nothing has disturbed, and the seconds of its steps before and after the answer."""

    results: dict[str, str]
    asking: dict[str, float]
    answering: dict[str, float]


def undisturbed(project: Path, *, agreed: bool) -> Undisturbed:
    with served(project):
        _switch_off_schedules()
    question = Question.begun(project)
    asking = question.run()
    question.answer(agreed)
    answering = question.run()
    return Undisturbed(_results(project), asking, answering)


def _killed(project: Path, whole: Undisturbed, steps: Sequence[str], *, agreed: bool) -> list[Row]:
    """A person agrees to the promotion, or doesn't."""
    of_asking, of_answering = (
        [point for point in product(seconds, MOMENTS) if point[0] in steps]
        for seconds in (whole.asking, whole.answering)
    )
    questions = [Question.begun(project)]
    kills = 0
    for step, moment in of_asking:
        # A kill in the middle of asking may come when the question is there already.
        if questions[-1].state() == "PAUSED":
            questions.append(Question.begun(project))
        kills += questions[-1].kill(moment, step, whole.asking[step])
    if not of_asking:
        questions[-1].run()
    answered = int(questions[-1].answer(agreed))
    for step, moment in of_answering:
        kills += questions[-1].kill(moment, step, whole.answering[step])
    answered += sum(question.answer(agreed) for question in questions[:-1])
    with served(project):
        wait_until(lambda: all(question.state() in ENDED for question in questions), SECONDS)
    told = (project / ".state" / "notices" / "notices.jsonl").read_text()
    points = len(of_asking) + len(of_answering)
    return [
        Row("kills, at the start, in the middle and at the end of each step", kills, "", at_least=points),
        Row("questions", len(questions), "", at_least=1),
        Row("questions that nobody was told of", sum(one.run_id not in told for one in questions), "", at_most=0),
        Row("questions that could not be answered", len(questions) - answered, "", at_most=0),
        Row("runs that did not end", sum(one.state() != "COMPLETED" for one in questions), "", at_most=0),
        *aftermath(project, toy.differing(_results(project), whole.results)),
        Row("records that MLflow takes to be under way", toy.unfinished_records(project), "", at_most=0),
    ]


@dataclass(frozen=True)
class Question:
    """A run of the approval flow."""

    flow: Flow
    run_id: str

    @classmethod
    def begun(cls, project: Path) -> Question:
        """As a training begins one."""
        asked = {"use_case": TOY, "version": NUMBER, "why": "it is worth more"}
        deployment = ask("/deployments/name/approval/portfolio")["id"]
        run_id = ask(f"/deployments/{deployment}/create_flow_run", {"parameters": asked})["id"]
        # What a run says when it is killed is told by whoever serves the deployments.
        more = {"PREFECT__ENABLE_CANCELLATION_AND_CRASHED_HOOKS": "false"}
        return cls(
            Flow("approval", {"flow_run_id": run_id}, project, project.parent / "run.log", toy.prefect(), more), run_id
        )

    def state(self) -> str:
        return str(ask(f"/flow_runs/{self.run_id}")["state"]["type"])

    def run(self) -> dict[str, float]:
        self._set_state("PENDING", "Pending")
        return self.flow.run()

    def kill(self, moment: str, step: str, seconds: float) -> bool:
        """Kill it while nobody serves the deployments; they are served again, and it is retried. Whether it was."""
        killed = self._set_state("PENDING", "Pending") and self.flow.kill(moment, step, seconds)
        with served(self.flow.project):
            pass
        if self.state() == "CRASHED":
            # As the button does in Prefect's pages.
            self._set_state("SCHEDULED", "AwaitingRetry")
        return killed

    def answer(self, agreed: bool) -> bool:
        """Say whether the version may be promoted. Gives back whether that could be said."""
        status, told, _ = call(
            f"{toy.prefect()}/flow_runs/{self.run_id}/resume", _json({"run_input": {"promote": agreed}})
        )
        return status < 300 and told["status"] == "ACCEPT"

    def _set_state(self, kind: str, name: str) -> bool:
        """Gives back whether it may be so."""
        told = ask(f"/flow_runs/{self.run_id}/set_state", {"state": {"type": kind, "name": name}})
        return bool(told["status"] == "ACCEPT")


def ask(path: str, content: dict[str, Any] | None = None, method: str | None = None) -> Any:
    """What Prefect's server answers."""
    status, answer, _ = call(f"{toy.prefect()}{path}", None if content is None else _json(content), method)
    if status >= 300:
        raise RuntimeError(f"{path} answered {status}: {answer}")
    return answer


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode()


@contextmanager
def served(project: Path) -> Iterator[None]:
    """The deployments of a project are served, as `portfolio live` serves them."""
    path = project.parent / "deployments.log"
    with path.open("wb") as log:
        command = [sys.executable, "-m", "pipelines.deployments"]
        environment = toy.environment(project, PREFECT_API_URL=toy.prefect())
        serving = subprocess.Popen(command, cwd=project, env=environment, stdin=subprocess.DEVNULL, stdout=log)
    try:
        wait_until(lambda: SERVED in path.read_text() or serving.poll() is not None, SECONDS)
        if serving.poll() is not None:
            raise RuntimeError(f"the deployments of {project} are not served")
        yield
    finally:
        serving.terminate()
        serving.wait(SECONDS)


def _switch_off_schedules() -> None:
    """Nothing else is to run meanwhile."""
    for flow in ("training", "monitoring", "pruning"):
        deployment = ask(f"/deployments/name/{flow}/portfolio")
        for schedule in deployment["schedules"]:
            ask(f"/deployments/{deployment['id']}/schedules/{schedule['id']}", {"active": False}, "PATCH")


def _results(project: Path) -> dict[str, str]:
    """What an approval makes, by what it is."""
    address = f"sqlite:///{project / '.state' / 'log' / f'{TOY}.db'}"
    looks = Looks(address)
    events = [(event.kind, event.model_version, event.figures.get("before")) for event in looks.events()]
    looks.close()
    with chdir(project):
        is_stale = Paths(TOY).report_is_stale()
    return toy.results(project) | {
        "champions": str(toy.champions(project)),
        "events": str(events),
        "verdict that the report does not tell": str(is_stale),
    }
