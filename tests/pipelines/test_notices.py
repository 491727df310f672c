"""How runs ended is told in a file, and to a web address that may not answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pipelines import notices
from pipelines.notices import WEBHOOK_VARIABLE, notice, notices_path


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTFOLIO_STATE", str(tmp_path))


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, str]]]:
    found: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv(WEBHOOK_VARIABLE, f"http://127.0.0.1:{server.server_port}/hook")
        yield found
        server.shutdown()
        thread.join()


def test_a_notice_is_written_and_sent(received: list[dict[str, str]]) -> None:
    notice("training of 数字: Failed", "7")
    (line,) = notices_path().read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == received[0]
    assert (received[0]["text"], received[0]["flow_run_id"]) == ("training of 数字: Failed", "7")


def test_an_address_that_does_not_answer_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WEBHOOK_VARIABLE, "http://127.0.0.1:1/secret")
    notice("training of toy: Completed")
    assert len(notices_path().read_text().splitlines()) == 1


@pytest.mark.parametrize(
    "environment",
    [
        {WEBHOOK_VARIABLE: "http://.../"},
        {WEBHOOK_VARIABLE: "http://xn--/"},
        {WEBHOOK_VARIABLE: "https://127.0.0.1:1/", "SSL_CERT_FILE": "/nowhere.pem"},
        {WEBHOOK_VARIABLE: "http://192.0.2.1/", "ALL_PROXY": "socks5://127.0.0.1:1"},
        {WEBHOOK_VARIABLE: "http://192.0.2.1/", "ALL_PROXY": "nonsense://127.0.0.1:1"},
    ],
)
def test_what_can_not_be_asked_at_all_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    notice("training of toy: Completed")
    assert len(notices_path().read_text().splitlines()) == 1


def test_the_file_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "MAX_BYTES", 1000)
    for number in range(60):
        notice(f"run {number}")
    kept = sum(path.stat().st_size for path in notices_path().parent.glob("notices.jsonl*"))
    assert kept <= 2000
    assert "run 59" in notices_path().read_text()


def test_a_full_disk_fails_nothing_and_shows_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    notices_path().parent.mkdir(parents=True)
    notices_path().symlink_to("/dev/full")
    notice("training of toy: Failed")
    assert "Traceback" not in capfd.readouterr().err
