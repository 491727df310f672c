"""Loads against small servers that are made to stall, to refuse and to break off."""

import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import socket

import pytest

from portfolio.client.connection import Address
from portfolio.client.load import example_body, run
from portfolio.core.errors import ConfigError, PortfolioError

pytestmark = pytest.mark.alone

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
REQUEST = Address("http://127.0.0.1").request("POST", "/predict", b"{}")


@contextmanager
def answering(answer: Callable[[int], bytes | None]) -> Iterator[Address]:
    """A server that answers its nth request with answer(n), one after the other, and breaks off instead of None."""
    count = 0
    turn = threading.Lock()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            nonlocal count
            while self.request.recv(len(REQUEST)):
                with turn:
                    count += 1
                    said = answer(count)
                if said is None:
                    return
                self.request.sendall(said)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Address(f"http://127.0.0.1:{server.server_address[1]}")
        finally:
            server.shutdown()
            thread.join()


def test_every_planned_request_is_sent_at_the_rate() -> None:
    told: list[int] = []
    with answering(lambda _: GOOD) as address:
        found = run(
            address, REQUEST, rate=200, seconds=1.5, connections=4, progress=lambda planned, _: told.append(planned)
        )
    assert found.planned == found.good == 300
    assert found.by_status == {"200": 300}
    assert found.failed == 0
    assert 180 < found.rate < 210
    assert 0 < found.p50_ms <= found.p99_ms <= found.max_ms
    assert told == sorted(told)
    assert told


def test_a_stall_shows_in_all_requests_that_it_held_up() -> None:
    def stall_once(number: int) -> bytes:
        if number == 100:
            time.sleep(0.4)
        return GOOD

    with answering(stall_once) as address:
        found = run(address, REQUEST, rate=200, seconds=1.5, connections=2)
    assert found.good == 300
    # Only two requests were under way in the stall, which is less than one in a hundred; 80 were due in it.
    assert found.p99_ms > 200
    assert found.max_ms >= 400


def test_answers_are_counted_by_status_and_broken_ones_as_lost() -> None:
    answers = [GOOD, BUSY, None, LAST]
    with answering(lambda number: answers[number % 4]) as address:
        found = run(address, REQUEST, rate=200, seconds=0.2, connections=3)
    assert Counter(found.by_status) == {"200": 20, "503": 10, "lost": 10}
    assert found.failed == 20


def test_a_server_that_can_not_be_reached_is_named() -> None:
    with socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = Address(f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(PortfolioError, match=f"{address.authority} can't be reached"):
            run(address, REQUEST, rate=10, seconds=1)


@pytest.mark.parametrize(("rate", "seconds", "connections"), [(1e6, 3600, 1), (0.1, 1, 1), (10, 1, 0), (10, 1, 5000)])
def test_a_load_is_bounded(rate: float, seconds: float, connections: int) -> None:
    with pytest.raises(ConfigError):
        run(Address("http://127.0.0.1:1"), REQUEST, rate=rate, seconds=seconds, connections=connections)


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "ftp://host",
        "http://",
        "nonsense",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:port",
        "http://[::1",
        "http://a..b",
        "http://host name",
        "http://host/\u2019",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="not the address"):
        Address(url)


def test_an_address_is_of_this_machine_or_not() -> None:
    here = ("127.0.0.1:1", "127.1.2.3", "localhost", "[::1]:8000")
    assert all(Address(f"http://{host}").is_loopback for host in here)
    assert not any(Address(f"http://{host}").is_loopback for host in ("10.0.0.1", "example.org", "[fe80::1]"))


def test_a_request_has_as_many_rows_as_asked_for() -> None:
    assert example_body([{"name": "a", "example": 1}], 2) == b'{"instances": [{"a": 1}, {"a": 1}]}'
