"""Clients that send slowly, or not at all, against a real server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from socket import create_connection, socket

import pytest

from portfolio.bundle.store import Store
from tests.serving.runtime.test_hot_swap import BODY, call, connected, free_port, server
from tests.tiny import publish

HEAD = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture
def port(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setenv("SERVING_TIMEOUT_SECONDS", "0.5")
    publish(store, tmp_path / "one", version=1)
    port = free_port()
    with server(port):
        yield port


def test_a_body_that_does_not_come_is_given_up_and_others_are_answered(port: int) -> None:
    with create_connection(("127.0.0.1", port), timeout=10) as slow, connected(port) as quick:
        slow.sendall(f"{HEAD}Content-Length: 100\r\n\r\n{{".encode())
        assert call(quick, "POST", "/predict", BODY)[0] == 200
        assert b" 408 " in slow.recv(4096).split(b"\r\n")[0]


@pytest.mark.parametrize("framing", ["Content-Length: 100000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"])
def test_a_hundred_megabytes_are_refused_before_they_are_there(port: int, framing: str) -> None:
    with create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(f"{HEAD}{framing}".encode())
        if "chunked" in framing:
            chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
            for _ in range(20):
                client.sendall(chunk)
        assert b" 413 " in client.recv(4096).split(b"\r\n")[0]


def test_a_client_that_goes_away_is_no_fault(port: int) -> None:
    for _ in range(5):
        with create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(f"{HEAD}Content-Length: 100\r\n\r\n{{".encode())
    with connected(port) as quick:
        deadline = time.monotonic() + 10
        # All that was taken for them is given back.
        while 'portfolio_requests_total{path="/predict",status="499"} 5.0' not in text(quick, "/metrics"):
            assert time.monotonic() < deadline
        assert json.loads(text(quick, "/stats"))["predictions"] == 0


def text(connection: object, path: str) -> str:
    connection.request("GET", path)  # type: ignore[attr-defined]
    return str(connection.getresponse().read().decode())  # type: ignore[attr-defined]


def send_without_end(connection: socket) -> None:
    while True:
        connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")


def test_half_a_head_and_a_refused_sender_that_goes_on_do_not_keep_their_connections(port: int) -> None:
    with (
        create_connection(("127.0.0.1", port), timeout=30) as half,
        create_connection(("127.0.0.1", port), timeout=30) as endless,
    ):
        half.sendall(HEAD.encode())
        endless.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            send_without_end(endless)
        assert half.recv(1) == b""
