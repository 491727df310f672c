"""`portfolio live`, `status` and `stop` alone; tests/pipelines/test_supervisor.py keeps real programs running."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import socket

import psutil
import pytest

from pipelines.processes import created_at
from portfolio.bundle.store import Store
from portfolio.core.environment import sqlite_address, state_folder
from portfolio.core.paths import live_record
from portfolio.monitoring.looks import Look, Looks
from portfolio.registry.tracking import database
from tests.cli.conftest import portfolio
from tests.tiny import ZEROS, publish
from tests.workspace import TOY


@pytest.fixture
def sleeper(workspace: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that a crashed `portfolio live` has left."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    found = {
        "name": "api",
        "pid": process.pid,
        "created_at_seconds": created_at(psutil.Process(process.pid)),
        "shown": "http://127.0.0.1:8000",
        "ready": "",
        "log": "api.log",
        "starts": 3,
    }
    gone = found | {"name": "supervisor", "created_at_seconds": 0}
    live_record().parent.mkdir(parents=True, exist_ok=True)
    live_record().write_text(json.dumps([gone, found]))
    yield process
    process.kill()
    process.wait()


def test_nothing_that_runs_is_said_with_how_to_start_it(workspace: Path) -> None:
    shown = portfolio("status")
    assert (shown.returncode, shown.stdout) == (1, "Nothing is running. Start it: portfolio live (make live)\n")
    assert portfolio("stop").stdout == "Nothing is running.\n"


@pytest.mark.parametrize("command", [("status",), ("stop",), ("live", TOY)])
def test_a_damaged_record_is_named_with_what_to_do(workspace: Path, command: tuple[str, ...]) -> None:
    live_record().parent.mkdir(parents=True, exist_ok=True)
    live_record().write_text("")
    said = portfolio(*command)
    assert said.returncode == 1
    assert f"rm {live_record()}" in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("command", ["live", "mlflow"])
def test_records_of_mlflow_that_are_damaged_are_named_before_anything_starts(workspace: Path, command: str) -> None:
    database().parent.mkdir(parents=True)
    database().write_bytes(b"no database, but 40 KB of other things" * 1000)
    said = portfolio(command, *([TOY] if command == "live" else []))
    assert said.returncode == 1
    assert "is not a database). Bring back a copy of that file; serving goes on" in " ".join(said.stderr.split())


def test_what_a_crash_left_is_shown_and_ended(sleeper: subprocess.Popen[bytes]) -> None:
    shown = portfolio("status")
    # It still answers, but nothing would start it again.
    assert shown.returncode == 1
    assert all(part in shown.stdout for part in ("api", "running", str(sleeper.pid), "http://127.0.0.1:8000"))
    assert "supervisor" in shown.stdout
    assert "Nothing starts again what ends: portfolio stop, then portfolio live" in shown.stdout
    assert "portfolio stop" in portfolio("live", TOY).stderr
    assert portfolio("stop").stdout == "Ended: api.\n"
    assert sleeper.wait(timeout=10) != 0
    assert not live_record().exists()


@pytest.mark.usefixtures("sleeper")
def test_the_last_look_at_what_is_served_is_shown(tmp_path: Path) -> None:
    looked_at = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    path = state_folder() / "log" / f"{TOY}.db"
    looks = Looks(sqlite_address(path))
    looks.add(Look(looked_at, looked_at, 7, ZEROS, 120, 3, "insufficient_data", (), {}, looked_at))
    shown = portfolio("status").stdout
    assert re.search(rf"{TOY} .* 7 .* 2026-03-02 09:30 UTC .* insufficient data", shown), shown
    # After a rollback labels may still come for the version that was taken back.
    served = publish(Store.of(TOY), tmp_path / "bundle", version=6)
    looks.add(Look(looked_at, looked_at, 6, served, 120, 3, "healthy", (), {}, looked_at - timedelta(hours=1)))
    looks.close()
    shown = portfolio("status").stdout
    assert re.search(rf"{TOY} .* 6 .* 2026-03-02 08:30 UTC .* healthy", shown), shown
    path.write_text("no database")
    assert "its prediction log can't be read" in portfolio("status").stdout


@pytest.mark.parametrize("command", ["live", "run"])
@pytest.mark.parametrize("wrong", [{"all_proxy": "socks5://127.0.0.1:1"}, {"SSL_CERT_FILE": "/nowhere.pem"}])
def test_a_proxy_that_can_not_be_used_is_named_before_anything_starts(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, command: str, wrong: dict[str, str]
) -> None:
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    result = portfolio(command, TOY)
    assert result.returncode == 1
    assert "of this environment can't be used" in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_a_port_that_is_taken_is_named_before_anything_starts(workspace: Path) -> None:
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = portfolio("live", TOY, "--prefect-port", str(port))
    assert result.returncode == 1
    assert f"127.0.0.1:{port}" in result.stderr
    assert "--prefect-port" in result.stderr
    assert not live_record().exists()
