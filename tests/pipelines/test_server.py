"""Prefect's server for one run, up to where it starts; the loop's test starts a real one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socket import socket

import httpx
import pytest

import pipelines.server
from pipelines.server import PrefectServer
from portfolio.core.environment import local_environment
from portfolio.core.errors import PortfolioError
from tests.workspace import ROOT


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PrefectServer:
    """One of our own, that ends instead of starting."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    server = PrefectServer(tmp_path / "prefect.log")
    server.start()
    return server


def test_a_server_that_ends_while_starting_is_an_error_that_names_its_log(
    broken: PrefectServer, tmp_path: Path
) -> None:
    with pytest.raises(PortfolioError, match=rf"ended while starting; {tmp_path}/prefect\.log"):
        broken.wait()


def test_a_database_that_another_process_holds_is_told_where_the_server_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    ended = tmp_path / "ended"
    ended.write_text("#!/bin/sh\necho '(sqlite3.OperationalError) database is locked'\nexit 3\n")
    ended.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(ended))
    server = PrefectServer(tmp_path / "prefect.log")
    server.start()
    with pytest.raises(PortfolioError, match=r"its database is locked \(see .*prefect\.log\).*Another process"):
        server.wait()


def test_flows_send_heartbeats_to_a_named_server_alone(
    broken: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import get_current_settings

    default = get_current_settings().flows.heartbeat_frequency
    assert default
    with broken.flow_settings():
        assert get_current_settings().flows.heartbeat_frequency is None
    monkeypatch.setattr(pipelines.server, "_check_answer", lambda address: None)
    named = PrefectServer(tmp_path / "other.log")
    named.start()
    with named.flow_settings():
        assert get_current_settings().flows.heartbeat_frequency == default


def test_a_server_that_is_gone_in_the_middle_of_a_flow_is_an_error_with_its_remedy(
    broken: PrefectServer, tmp_path: Path
) -> None:
    with (
        pytest.raises(PortfolioError, match=rf"does not answer any more \(.*{tmp_path}/prefect\.log.*the same again"),
        broken.expected(),
    ):
        httpx.get(os.environ["PREFECT_API_URL"], trust_env=False)


# It makes its tables at the first start.
START_SECONDS = 270
# What `portfolio run` does up to its flow, and the first request of that.
START = """
from pathlib import Path
from portfolio.core.environment import local_environment, state_folder
from pipelines.server import PrefectServer, own_environment

local_environment()
server = PrefectServer(Path("prefect.log"))
server.start()
ready = state_folder() / "prefect" / "ready"
print("its tables are there", ready.exists())
server.wait()
print("its tables are there", ready.exists())
from prefect.client.orchestration import get_client

with get_client(sync_client=True) as client:
    print("flows", client.read_flows())
"""
ELSEWHERE = {
    "PREFECT_API_URL": "",
    "PREFECT_SERVER_API_AUTH_STRING": "admin:pass",
    "PREFECT_SERVER_API_BASE_PATH": "/prefect",
    "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
    "PREFECT_API_KEY": "pnu_0",
    "http_proxy": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "no_proxy": "",
}
PROFILE = """
active = "team"
[profiles.team]
PREFECT_SERVER_API_AUTH_STRING = "admin:pass"
PREFECT_SERVER_API_BASE_PATH = "/prefect"
PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED = "true"
"""


@pytest.mark.parametrize("profile", [False, True], ids=["variables", "a profile"])
def test_what_is_meant_for_another_server_does_not_hold_up_ours(tmp_path: Path, profile: bool) -> None:
    """Also in a folder whose name an address would take for a query. Other work goes on while it makes its tables."""
    outside, tmp_path = tmp_path, tmp_path / "a?b%20c"
    tmp_path.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT")}
    environment |= {"PORTFOLIO_STATE": str(tmp_path / "state"), "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    if profile:
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "profiles.toml").write_text(PROFILE)
        environment["PREFECT_HOME"] = str(tmp_path / "home")
    else:
        environment |= ELSEWHERE
    told = subprocess.run(
        [sys.executable, "-c", START], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=90
    )
    assert list(outside.iterdir()) == [tmp_path]
    expected = ["its tables are there False", "its tables are there True", "flows []"]
    assert told.stdout.splitlines() == expected, told.stderr + (tmp_path / "prefect.log").read_text()


def test_a_server_that_answers_with_an_error_ends_the_wait_at_once(tmp_path: Path) -> None:
    server = PrefectServer(tmp_path / "prefect.log")
    with running_site(404) as address, subprocess.Popen(["sleep", "60"]) as process:
        server._process, server._address = process, f"{address}/api"
        server._ask()
        process.kill()
    with pytest.raises(PortfolioError, match=r"answered 404 .*prefect\.log.*unset it, or name that server"):
        raise server._failure or AssertionError("no failure")


@pytest.mark.timeout(2 * START_SECONDS + 60)
def test_a_killed_server_still_knows_who_has_a_slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would else be taken for ever: nobody could give it back, and no later run of a deployment would begin."""
    monkeypatch.setenv("PORTFOLIO_STATE", str(tmp_path))
    local_environment()
    with lasting_server(tmp_path) as (process, api):
        httpx.post(f"{api}/v2/concurrency_limits/", json={"name": "runs", "limit": 1}, timeout=60).raise_for_status()
        taken = {"names": ["runs"], "slots": 1}
        held = httpx.post(f"{api}/v2/concurrency_limits/increment-with-lease", json=taken, timeout=60)
        process.kill()
    with lasting_server(tmp_path) as (_, api):
        given_back = {"lease_id": held.raise_for_status().json()["lease_id"]}
        freed = httpx.post(f"{api}/v2/concurrency_limits/decrement-with-lease", json=given_back, timeout=60)
        again = httpx.post(f"{api}/v2/concurrency_limits/increment-with-lease", json=taken, timeout=60)
    assert (freed.status_code, again.status_code) == (204, 200), freed.text


@contextmanager
def lasting_server(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Such as `portfolio live` starts, and its address, once it answers."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "pipelines.server", str(port), "--pages"]
    with (folder / "server.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + START_SECONDS
            while not answers(f"http://127.0.0.1:{port}/api/health"):
                assert process.poll() is None, (folder / "server.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield process, f"http://127.0.0.1:{port}/api"
        finally:
            process.kill()


def answers(address: str) -> bool:
    try:
        return httpx.get(address, trust_env=False).is_success
    except httpx.HTTPError:
        return False


@contextmanager
def running_site(status: int) -> Iterator[str]:
    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(status)

        def log_message(self, *_: object) -> None:
            pass

    site = HTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=site.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{site.server_port}"
    site.shutdown()
    thread.join()
    site.server_close()


@pytest.mark.parametrize("file", ["serving/Dockerfile", "docker-compose.yml"])
def test_a_health_check_asks_past_a_proxy(file: str) -> None:
    """Docker hands the proxies of its client to containers."""
    codes = re.findall(r'"python", "-c", "([^"]+)"\]', (ROOT / file).read_text())
    assert codes
    for code in codes:
        with running_site(200) as address:
            here = re.sub(r"http://127\.0\.0\.1:\d+", address, code)
            environment = os.environ | {
                "http_proxy": "http://127.0.0.1:9",
                "no_proxy": "",
                "PORT": address[-5:].strip(":"),
            }
            assert subprocess.run([sys.executable, "-c", here], env=environment, timeout=30).returncode == 0


def test_a_prefect_server_that_does_not_answer_is_named(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    with pytest.raises(PortfolioError, match=r"PREFECT_API_URL, http://127\.0\.0\.1:1/api .*unset"):
        PrefectServer(workspace / "prefect.log").start()
