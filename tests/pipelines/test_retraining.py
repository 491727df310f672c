"""The loop closes: labels that came back to the server ask for a retraining, which learns from them.

With a server, a prediction log, Prefect's server and its deployments, DVC and MLflow, as they are; in a clone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from socket import socket
from typing import Any

import httpx
import numpy as np
import polars as pl
import psutil
import pytest
from starlette.testclient import TestClient

from pipelines.server import own_environment
from portfolio.bundle.store import Store
from portfolio.core import files
from portfolio.core.environment import local_environment
from portfolio.core.paths import Paths
from portfolio.monitoring.looks import Looks
from serving.app import create_app
from tests.checkouts import checkout_of_one, committed, run_in
from tests.workspace import TOY, edit_config, environment_kept

# A tree can learn that giant melons are never ripe; what the toy has is too simple for that.
CANDIDATE = 'super().candidates()["logistic_regression"]'
TREE = 'super().candidates()["decision_tree"]'
ANSWERED = 600
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A clone with a champion that has answered, and has been told the truth: giant melons came, and none is ripe."""
    folder = checkout_of_one(tmp_path_factory.mktemp("clone"))
    code = folder / "use_cases" / TOY / "use_case.py"
    code.write_text(code.read_text().replace(f'"logistic_regression": {CANDIDATE}', f'"decision_tree": {TREE}'))
    with chdir(folder), environment_kept():
        edit_config(TOY, value={"audit_share": 1}, train={"max_epochs": 1}, retrain={"require_approval": True})
        committed(folder)
        # On a server of its own, nobody could be asked.
        told = run_in(folder, sys.executable, "-m", "portfolio", "run", TOY)
        assert "a person must agree" in told
        run_in(folder, sys.executable, "-m", "portfolio", "promote", TOY, "1")
        os.environ["PORTFOLIO_STATE"] = str(folder / ".state")
        os.environ["PORTFOLIO_USE_CASE"] = TOY
        _serve_giants()
        yield folder


def _serve_giants() -> None:
    random = np.random.default_rng(5)
    weights = np.where(np.arange(ANSWERED) % 2, random.uniform(5, 9, ANSWERED), random.uniform(0.5, 1, ANSWERED))
    with TestClient(create_app()) as client:
        for start in range(0, ANSWERED, 100):
            rows = [{"weight": weight, "colour": "green"} for weight in weights[start : start + 100].tolist()]
            answer = client.post("/predict", json={"instances": rows}).raise_for_status().json()
            labels = [{"request_id": answer["request_id"], "row": row, "label": "unripe"} for row in range(len(rows))]
            client.post("/feedback", json={"labels": labels}).raise_for_status()


@pytest.fixture(scope="module")
def prefect(clone: Path) -> Iterator[str]:
    """The address of a server of Prefect."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "pipelines.server", str(port)]
    server = subprocess.Popen(command, cwd=clone, env=_environment(clone), stdin=subprocess.PIPE)
    assert server.stdin is not None
    address = f"http://127.0.0.1:{port}/api"
    try:
        wait_for(lambda: _ok(f"{address}/health"))
        yield address
    finally:
        server.stdin.close()
        server.wait(30)


@pytest.fixture
def deployments(clone: Path, prefect: str) -> Iterator[subprocess.Popen[str]]:
    serving = serve(clone, prefect)
    with serving:
        yield serving
        if serving.poll() is None:
            serving.kill()


def serve(clone: Path, prefect: str) -> subprocess.Popen[str]:
    """Serve the deployments, and wait until they are there."""
    command = [sys.executable, "-m", "pipelines.deployments"]
    environment = _environment(clone) | {"PREFECT_API_URL": prefect}
    serving = subprocess.Popen(command, cwd=clone, env=environment, stdout=subprocess.PIPE, text=True)
    assert serving.stdout is not None
    assert "served at" in serving.stdout.readline()
    return serving


def kill_all(serving: subprocess.Popen[str]) -> None:
    """Kill who serves the deployments, and the runs."""
    begun = psutil.Process(serving.pid).children(recursive=True)
    serving.kill()
    serving.wait(60)
    for process in begun:
        process.kill()


def _environment(clone: Path) -> dict[str, str]:
    """As `portfolio` starts its programs, on a server with a database of its own."""
    with environment_kept():
        local_environment()
        environment = own_environment(os.environ)
    # It plans runs once a minute, by itself.
    environment["PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS"] = "2"
    return environment | {"PYTHONPATH": f"{clone / 'src'}{os.pathsep}{clone}"}


def wait_for(condition: Callable[[], Any], seconds: float = 120) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it has not come about in time"
        time.sleep(0.5)
    return found


def _ok(address: str) -> bool:
    try:
        return httpx.get(address, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def ask(prefect: str, path: str, content: dict[str, Any] | None = None, method: str = "POST") -> Any:
    """What the server answers, once its database isn't locked."""

    def answer() -> httpx.Response | None:
        found = httpx.request(method, f"{prefect}{path}", json=content or {}, trust_env=False, timeout=30)
        return None if found.status_code == httpx.codes.SERVICE_UNAVAILABLE else found

    answered: httpx.Response = wait_for(answer)
    answered.raise_for_status()
    return answered.json() if answered.content else None


def deployment(prefect: str, flow: str) -> Any:
    return ask(prefect, f"/deployments/name/{flow}/portfolio", method="GET")


def runs(prefect: str, flow: str) -> list[Any]:
    found: list[Any] = ask(prefect, "/flow_runs/filter", {"flows": {"name": {"any_": [flow]}}})
    return [run for run in found if run["deployment_id"] and not run["auto_scheduled"]]


def in_state(prefect: str, flow: str, *types: str) -> list[Any]:
    return [run for run in runs(prefect, flow) if run["state"]["type"] in types]


def start(prefect: str, flow: str, **parameters: Any) -> str:
    made = ask(prefect, f"/deployments/{deployment(prefect, flow)['id']}/create_flow_run", {"parameters": parameters})
    return str(made["id"])


def test_harm_starts_a_training_that_learns_from_the_labels_once_a_person_agrees(
    clone: Path, prefect: str, deployments: subprocess.Popen[str]
) -> None:
    champion = Store.of(TOY).champion()
    assert champion is not None
    start(prefect, "monitoring")
    (run,) = wait_for(lambda: in_state(prefect, "training", *ENDED), 300)
    assert run["state"]["type"] == "COMPLETED", run["state"]
    assert (run["parameters"]["use_case"], run["parameters"]["asked_by"]) == (TOY, "harm")
    (question,) = wait_for(lambda: in_state(prefect, "approval", *ENDED, "PAUSED"))
    assert question["state"]["name"] == "Suspended", question["state"]
    assert Store.of(TOY).champion() == champion
    looks = Looks(f"sqlite:///{clone / '.state' / 'log' / f'{TOY}.db'}")
    (harmful,) = looks.last()
    assert (harmful.verdict, harmful.model_version, harmful.labels) == ("harmful", champion.model_version, ANSWERED)
    batch = next(Paths(TOY).batches.glob("*-feedback-001.parquet"))
    assert len(pl.read_parquet(batch)) == ANSWERED

    # No process waits: whoever serves the deployments next goes on with it.
    deployments.terminate()
    assert deployments.wait(60) == 0
    ask(prefect, f"/flow_runs/{question['id']}/resume", {"run_input": {"promote": True}})
    with serve(clone, prefect) as serving:
        (question,) = wait_for(lambda: in_state(prefect, "approval", *ENDED))
        assert question["state"]["type"] == "COMPLETED", question["state"]
        assert looks.wanted(champion.digest) is None
        promoted, retraining = looks.events()
        assert (promoted.kind, promoted.model_version) == ("promoted", champion.model_version + 1)
        assert (retraining.kind, retraining.figures) == (
            "retraining",
            {"asked_by": "harm", "labels": ANSWERED, "ended": True},
        )
        # Asked for once more, while the first one waited for its turn.
        again = start(prefect, "training", use_case=TOY, asked_by="harm")
        assert wait_for(lambda: [run for run in in_state(prefect, "training", *ENDED) if run["id"] == again])
        assert looks.events() == [promoted, retraining]
        serving.terminate()
        assert serving.wait(60) == 0
    looks.close()
    swapped = Store.of(TOY).champion()
    assert swapped is not None
    assert swapped.model_version == champion.model_version + 1
    with TestClient(create_app()) as client:
        answer = client.post("/predict", json={"instances": [{"weight": 7, "colour": "green"}]}).json()
    assert answer["predictions"][0]["class"] == "unripe"
    notices = (clone / ".state" / "notices" / "notices.jsonl").read_text()
    assert "retraining of toy asked for, by harm" in notices
    assert "May version 2 of 'toy' be promoted?" in notices


def test_what_is_served_can_be_started_and_a_schedule_that_was_switched_off_stays_off(
    clone: Path, prefect: str, deployments: subprocess.Popen[str]
) -> None:
    training, monitoring = deployment(prefect, "training"), deployment(prefect, "monitoring")
    # By no other page that is open in a browser, be its request one for which that asks no leave.
    for headers in ({"origin": "http://evil.example"}, {"host": "evil.example"}):
        path = f"{prefect}/deployments/{training['id']}/create_flow_run"
        assert httpx.post(path, content=b"{}", headers=headers, trust_env=False).status_code == 403
    assert training["parameters"] == {"use_case": TOY}
    assert [(one["slug"], one["parameters"]["asked_by"]) for one in training["schedules"]] == [
        (f"weekly-{TOY}", "schedule")
    ]
    described = training["parameter_openapi_schema"]["properties"]
    assert described["feedback"]["description"].startswith("Whether labels that came back")
    for one in (training, monitoring, deployment(prefect, "scoring"), deployment(prefect, "pruning")):
        assert one["concurrency_options"]["collision_strategy"] == "ENQUEUE"
        assert one["global_concurrency_limit"]["limit"] == 1
    (schedule,) = monitoring["schedules"]
    path = f"/deployments/{monitoring['id']}/schedules/{schedule['id']}"
    ask(prefect, path, {"active": False}, method="PATCH")
    deployments.terminate()
    assert deployments.wait(60) == 0
    with serve(clone, prefect) as again:
        assert [one["active"] for one in deployment(prefect, "monitoring")["schedules"]] == [False]
        assert [one["active"] for one in deployment(prefect, "training")["schedules"]] == [True]
        again.terminate()
        assert again.wait(60) == 0


# As an import may do that an exception breaks off: what comes out of it is an exception of another kind.
INTERRUPTED = """
import os, signal, time
from pipelines import deployments

def interrupted():
    try:
        os.kill(os.getpid(), getattr(signal, NAME))
        time.sleep(60)
    except BaseException as error:
        raise ValueError("the schema can't be built") from error

deployments.deployments = interrupted
deployments.main()
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_before_they_are_served_ends_it_in_order(clone: Path, prefect: str, name: str) -> None:
    environment = _environment(clone) | {"PREFECT_API_URL": prefect}
    command = [sys.executable, "-c", INTERRUPTED.replace("NAME", repr(name))]
    ended = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_sigterm_ends_the_runs_too(clone: Path, prefect: str, deployments: subprocess.Popen[str]) -> None:
    lock = clone / ".state" / "locks" / TOY / "run.lock"
    run = start(prefect, "training", use_case=TOY, feedback=False)
    # The process that holds the lock of a run is the run's.
    process = wait_for(lambda: lock.read_text())
    deployments.terminate()
    assert deployments.wait(60) == 0
    wait_for(lambda: not Path(f"/proc/{process}").exists(), 10)
    assert run


def test_a_schedule_starts_runs(prefect: str, deployments: subprocess.Popen[str]) -> None:
    def scheduled(flow: str, *types: str) -> list[Any]:
        found: list[Any] = ask(prefect, "/flow_runs/filter", {"flows": {"name": {"any_": [flow]}}})
        return [run for run in found if run["auto_scheduled"] and run["state"]["type"] in types]

    for flow in ("training", "pruning"):
        assert wait_for(lambda flow=flow: scheduled(flow, "SCHEDULED", "COMPLETED")), flow  # type: ignore[misc]
    # Nobody waits for the night.
    schedules = f"/deployments/{deployment(prefect, 'pruning')['id']}/schedules"
    (added,) = ask(prefect, schedules, [{"schedule": {"interval": 5}, "active": True}])  # type: ignore[arg-type]
    assert wait_for(lambda: scheduled("pruning", "COMPLETED"))
    ask(prefect, f"{schedules}/{added['id']}", method="DELETE")
    # Without a champion there is nothing to renew.
    champion = Store.of(TOY).champion_path
    aside = champion.rename(champion.with_name("aside.json"))
    try:
        run = start(prefect, "training", use_case=TOY, asked_by="schedule")
        assert wait_for(lambda: run in {one["id"] for one in in_state(prefect, "training", "COMPLETED")})
        assert not champion.exists()
    finally:
        aside.rename(champion)


def test_an_approval_that_was_killed_is_retried_without_asking_again(
    clone: Path, prefect: str, deployments: subprocess.Popen[str]
) -> None:
    def in_these(*types: str) -> bool:
        return question in {run["id"] for run in in_state(prefect, "approval", *types)}

    def retry() -> None:
        # As the button in Prefect's pages does.
        state = {"type": "SCHEDULED", "name": "AwaitingRetry"}
        ask(prefect, f"/flow_runs/{question}/set_state", {"state": state})

    question = start(prefect, "approval", use_case=TOY, version=1, why="it is worth more")
    wait_for(lambda: in_these("PAUSED"))
    # Nobody answered in time.
    ask(prefect, f"/flow_runs/{question}/set_state", {"state": {"type": "FAILED"}, "force": True})
    retry()
    wait_for(lambda: in_these("PAUSED"))
    with files.alone(clone / ".state" / "locks" / TOY / "run.lock"):
        ask(prefect, f"/flow_runs/{question}/resume", {"run_input": {"promote": False}})
        wait_for(lambda: in_these("RUNNING"))
        kill_all(deployments)
    with serve(clone, prefect) as again:
        assert in_these("CRASHED")
        retry()
        wait_for(lambda: in_these("PAUSED", *ENDED))
        assert in_these("COMPLETED")
        again.terminate()
        assert again.wait(60) == 0


def test_a_run_that_was_lost_with_the_process_has_crashed_and_the_next_need_not_wait(
    clone: Path, prefect: str, deployments: subprocess.Popen[str]
) -> None:
    # While another run holds the lock, this one is under way however fast the machine is.
    with files.alone(clone / ".state" / "locks" / TOY / "run.lock"):
        lost = start(prefect, "training", use_case=TOY, feedback=False)
        wait_for(lambda: lost in {run["id"] for run in in_state(prefect, "training", "RUNNING")})
        kill_all(deployments)
    with serve(clone, prefect) as again:
        assert lost in {run["id"] for run in in_state(prefect, "training", "CRASHED")}
        notices = (clone / ".state" / "notices" / "notices.jsonl").read_text().splitlines()
        assert [told["text"] for told in map(json.loads, notices) if told["flow_run_id"] == lost] == [
            f"training of {TOY}: Crashed (The process that served the deployments ended before this run did.)"
        ]
        following = start(prefect, "training", use_case=TOY, feedback=False)
        wait_for(lambda: following in {run["id"] for run in in_state(prefect, "training", *ENDED)})
        assert following in {run["id"] for run in in_state(prefect, "training", "COMPLETED")}
        again.terminate()
        assert again.wait(60) == 0
