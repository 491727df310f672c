"""The whole loop in containers, with real images and a real engine: `make test-compose`.

The tests build on each other, in the order in which they stand.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from socket import socket
from typing import Any

import pytest
import yaml

from portfolio.bundle.store import CHAMPION_NAME
from portfolio.client.predict import smoke
from tests.workspace import ROOT, stage_names

pytestmark = [pytest.mark.compose, pytest.mark.timeout(3600)]

# What may be added to the base image, so that the whole stays under 350 MiB on the official one of 130 MiB.
MAX_ADDED_MIB = 220
USE_CASE = yaml.safe_load((ROOT / "params.yaml").read_text())["use_cases"][0]


@dataclass
class Stack:
    """One Compose project with names and ports of its own."""

    command: list[str]
    environment: dict[str, str]

    def __call__(self, *arguments: str) -> str:
        """Run a Compose command, and give back what it printed."""
        started = time.monotonic()
        result = subprocess.run(
            [*self.command, *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        print(f"\n  compose {' '.join(arguments)}: {time.monotonic() - started:.1f} s", end="")
        assert result.returncode == 0, f"{result.stdout[-3000:]}\n{result.stderr[-6000:]}"
        return result.stdout

    def container(self, service: str) -> str:
        # Containers that have ended are not among those that `compose ps` lists.
        project = f"label=com.docker.compose.project={self.environment['COMPOSE_PROJECT_NAME']}"
        found = docker("ps", "-aq", "--filter", project, "--filter", f"label=com.docker.compose.service={service}")
        assert len(found.split()) == 1, f"{service}: {found}"
        return found

    def state(self, service: str) -> dict[str, Any]:
        return dict(json.loads(docker("inspect", "--format", "{{json .State}}", self.container(service))))

    def python(self, service: str, code: str) -> str:
        return docker("exec", self.container(service), "python", "-c", code)

    def address(self, port: str) -> str:
        return f"http://127.0.0.1:{self.environment[port]}"

    def train(self) -> str:
        """Start everything, wait for the end of the training, and give back its log."""
        self("up", "--detach")
        wait_until(lambda: self.state("training")["Status"] == "exited", 600, "the training to end")
        log = docker("logs", self.container("training"))
        assert self.state("training")["ExitCode"] == 0, log[-3000:]
        return log


def docker(*arguments: str) -> str:
    """Run a Docker command, and give back what it printed, on both channels."""
    result = subprocess.run(
        ["docker", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert result.returncode == 0, f"docker {' '.join(arguments)}: {result.stdout}"
    return result.stdout.strip()


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.5)


def status(url: str) -> int:
    """The status of the answer, or 0 if there was none."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    commands = (["docker", "compose"], ["docker-compose"])
    works = (c for c in commands if not subprocess.run([*c, "version"], capture_output=True, check=False).returncode)
    with ExitStack() as sockets:
        # Held all at once, so that they differ.
        probes = [sockets.enter_context(socket()) for _ in range(3)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        ports = [str(probe.getsockname()[1]) for probe in probes]
    mirror = os.environ.get("PORTFOLIO_MIRROR", "")
    environment = {
        **os.environ,
        **dict(zip(("API_PORT", "MLFLOW_PORT", "PREFECT_PORT"), ports, strict=True)),
        "COMPOSE_PROJECT_NAME": f"portfolio-test-{os.getpid()}",
        "PORTFOLIO_GIT_COMMIT": "0123abc",
        # Unset, so that the first of params.yaml is taken.
        "USE_CASE": "",
        # A folder of this machine is none of the containers'.
        "PORTFOLIO_MIRROR": mirror if "://" in mirror else "",
        "DOCKER_BUILDKIT": "1",
        "COMPOSE_DOCKER_CLI_BUILD": "1",
    }
    stack = Stack(next(works), environment)
    try:
        stack("build")
        yield stack
    finally:
        stack("down", "--volumes", "--rmi", "local", "--remove-orphans")


def test_the_api_runs_before_there_is_a_champion_and_says_so(stack: Stack) -> None:
    stack("up", "--detach", "api")
    wait_until(lambda: status(f"{stack.address('API_PORT')}/healthz") == 200, 60, "the API to start")
    assert status(f"{stack.address('API_PORT')}/readyz") == 503
    assert stack.state("api")["Health"]["Status"] == "starting"


def test_training_publishes_a_champion_that_the_running_api_takes_up(stack: Stack) -> None:
    stack.train()
    answer = smoke(stack.address("API_PORT"))
    assert answer["model"]["version"] == 1
    wait_until(lambda: stack.state("api")["Health"]["Status"] == "healthy", 30, "the API to be healthy")
    with urllib.request.urlopen(f"{stack.address('API_PORT')}/model", timeout=5) as response:
        model = json.load(response)
    assert model["use_case"] == USE_CASE
    assert model["lineage"]["evaluated"]["git_commit"] == "0123abc"
    (prediction,), output = answer["predictions"], model["output"]
    assert prediction["class"] in output["classes"] if output["classes"] else isinstance(prediction["value"], float)


def test_the_deployments_are_served_and_see_what_the_api_has_answered(stack: Stack) -> None:
    wait_until(lambda: "served at" in docker("logs", stack.container("deployments")), 120, "the deployments")
    assert stack.state("deployments")["Running"]
    smoke(stack.address("API_PORT"))
    look = ["docker", "exec", stack.container("deployments"), "portfolio", "monitor", USE_CASE, "--json"]

    def looked() -> bool:
        found = subprocess.run(look, capture_output=True, text=True, check=False)
        return found.returncode == 0 and found.stdout.strip() not in ("", "[]")

    wait_until(looked, 60, "a look at the answer")


def test_the_pages_of_mlflow_and_prefect_open(stack: Stack) -> None:
    assert status(f"{stack.address('MLFLOW_PORT')}/") == 200
    with urllib.request.urlopen(f"{stack.address('PREFECT_PORT')}/ui-settings", timeout=5) as response:
        assert json.load(response)["api_url"] == f"{stack.address('PREFECT_PORT')}/api"
    assert status(f"{stack.address('PREFECT_PORT')}/") == 200


def test_nothing_runs_as_root_or_listens_beyond_this_machine(stack: Stack) -> None:
    for service in ("api", "mlflow", "prefect"):
        assert stack.python(service, "import os; print(os.getuid())") == "10001"
        ports = docker("port", stack.container(service))
        assert ports.count("127.0.0.1:") == len(ports.splitlines()) == 1


def test_the_api_cannot_write_to_the_store(stack: Stack) -> None:
    path = f"/state/store/{USE_CASE}/{CHAMPION_NAME}"
    code = f"import os; print(os.path.exists({path!r}), os.access({path!r}, os.W_OK))"
    assert stack.python("api", code) == "True False"


def test_the_serving_image_is_small_and_has_no_torch(stack: Stack) -> None:
    absent = "import importlib.util as u; print([n for n in ('torch', 'mlflow', 'prefect', 'pip') if u.find_spec(n)])"
    assert stack.python("api", absent) == "[]"
    image = docker("inspect", "--format", "{{.Image}}", stack.container("api"))
    whole = int(docker("image", "inspect", "--format", "{{.Size}}", image)) / 2**20
    lines = docker("exec", stack.container("api"), "du", "--summarize", "--block-size=1M", "/opt/venv", "/app")
    added = sum(int(line.split()[0]) for line in lines.splitlines())
    print(f"\n  serving image: {whole:.0f} MiB, of which {added} MiB are ours, the rest its base image", end="")
    assert added < MAX_ADDED_MIB


def test_the_api_comes_back_after_kill_9(stack: Stack) -> None:
    container = stack.container("api")
    pid = stack.state("api")["Pid"]
    image = docker("inspect", "--format", "{{.Image}}", container)
    # `docker kill` would count as a wish to stop it. So its process is killed, from a container that sees all of them.
    code = f"import os; os.kill({pid}, 9)"
    docker("run", "--rm", "--pid", "host", "--user", "0", "--no-healthcheck", image, "python", "-c", code)
    wait_until(lambda: docker("inspect", "--format", "{{.RestartCount}}", container) == "1", 60, "a restart")
    assert smoke(stack.address("API_PORT"))["model"]["version"] == 1


def test_down_and_up_again_loses_nothing_and_trains_nothing(stack: Stack) -> None:
    stack("down")
    stack("up", "--detach", "api")
    assert smoke(stack.address("API_PORT"), timeout_seconds=20)["model"]["version"] == 1
    log = stack.train()
    assert log.count("nothing has changed") == len(stage_names()), log
    assert "not promoted: it is already the champion" in log
