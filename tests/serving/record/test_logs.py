"""Which requests leave a line in the server's log, and what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from portfolio.bundle.store import Store
from serving.app import create_app
from serving.record.logs import LogWriter
from tests.tiny import publish

GOOD = {"instances": [{"pixels": [4, 3, 2, 1]}]}


class Kept(LogWriter):
    """Keeps the lines of requests where a test can read them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, Any]] = []

    def request(self, at_seconds: float, fields: dict[str, Any]) -> None:
        self.lines.append(fields)


def lines_of_two_requests(store: Store, folder: Path) -> list[dict[str, Any]]:
    """One that is answered, and one that is refused."""
    publish(store, folder, version=1)
    log = Kept()
    with TestClient(create_app(log=log)) as client:
        client.post("/predict", json=GOOD, headers={"X-Request-ID": "mine-1"})
        client.post("/predict", json={})
    return log.lines


def test_failed_requests_are_logged(store: Store, tmp_path: Path) -> None:
    (line,) = lines_of_two_requests(store, tmp_path / "one")
    assert (line["method"], line["path"], line["status"], line["model_version"]) == ("POST", "/predict", 422, 1)


def test_every_request_is_logged_if_asked_for(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVING_ACCESS_LOG", "true")
    good, bad = lines_of_two_requests(store, tmp_path / "one")
    assert (good["status"], good["callers_id"]) == (200, "mine-1")
    assert bad["status"] == 422


PROGRAM = """
import logging
from serving.record.logs import LogWriter
log = LogWriter()
log.start()
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("serving").exception("it failed on %s", "一")
log.request(0.0, {"path": "/predict", "status": 200})
log.stop()
"""


def test_a_line_is_json_with_its_time_and_an_exception_is_part_of_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ}, capture_output=True, text=True, check=True, timeout=60
    )
    failed, request = map(json.loads, done.stderr.splitlines())
    assert (failed["level"], failed["message"]) == ("error", "it failed on 一")
    assert "ZeroDivisionError" in failed["exception"]
    assert request == {
        "time": "1970-01-01T00:00:00.000+00:00",
        "level": "info",
        "logger": "access",
        "path": "/predict",
        "status": 200,
    }
