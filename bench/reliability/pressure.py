"""Too much of everything: bodies too large, clients too slow, requests too many."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from socket import SHUT_WR, create_connection, socket
from statistics import median

from bench import random_model
from bench.clients import Clients
from bench.reliability.asking import body, call, predict_request, publish, wait_until
from bench.rows import Row
from bench.server import MIB, Server, portfolio_server
from portfolio.bundle.bundle import Bundle
from portfolio.client import load
from portfolio.client.connection import Address, Connection

CHUNK = 64 * 1024
RECOVERY_SECONDS = 5.0


def large_bodies(work: Path, like: Bundle, *, mib: int = 100, at_once: int = 4, count: int = 12) -> list[Row]:
    """Refused, with the reason, and without being held in memory."""
    publish(work, like, 1)
    answers: Counter[str] = Counter()
    with portfolio_server(work, use_case=like.manifest.use_case) as server:
        _send_large(server.port, 1, chunked=False)
        before = highest = server.rss_mib()
        for number in range(0, count, at_once):
            threads = [
                threading.Thread(
                    target=lambda chunked: answers.update([_send_large(server.port, mib, chunked=chunked)]),
                    args=[(number + thread) % 2 == 1],
                )
                for thread in range(at_once)
            ]
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                highest = max(highest, server.rss_mib())
                time.sleep(0.005)
        good = call(f"{server.url}/predict", body(like))[0]
    return [
        Row(f"bodies of {mib} MB, half of them chunked", count, ""),
        Row("answered 413", answers["413"], "", at_least=count),
        Row("memory growth", highest - before, "MiB", at_most=20),
        Row("a good request is answered afterwards", good == 200, "", at_least=1),
    ]


def _send_large(port: int, mib: int, *, chunked: bool) -> str:
    """The status of the answer, or what happened instead of one."""
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {mib * MIB}"
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{length}\r\n\r\n".encode()
    part = b" " * CHUNK
    framed = b"%x\r\n%b\r\n" % (CHUNK, part) if chunked else part
    with closing(create_connection(("127.0.0.1", port), timeout=30)) as connection:
        # Where the server has answered and closed, there is no more to be sent.
        with suppress(OSError):
            connection.sendall(head)
            for _ in range(mib * MIB // CHUNK):
                connection.sendall(framed)
            if chunked:
                connection.sendall(b"0\r\n\r\n")
            connection.shutdown(SHUT_WR)
        try:
            return connection.recv(12).decode().removeprefix("HTTP/1.1 ")
        except OSError as error:
            return type(error).__name__


def slow_clients(
    work: Path, like: Bundle, *, count: int = 200, rate: float = 300, seconds: float = 4, rounds: int = 5
) -> list[Row]:
    """Clients that send a byte a second, half of them in the header and half in the body, hold up nobody."""
    publish(work, like, 1)
    with portfolio_server(work, use_case=like.manifest.use_case) as server:
        address = Address(server.url)
        request = predict_request(server.url, body(like))
        alone, beside = [], []
        failed = 0
        for _ in range(rounds):
            alone.append(load.run(address, request, rate=rate, seconds=seconds, connections=16))
            with _dripping(server, count, request):
                beside.append(load.run(address, request, rate=rate, seconds=seconds, connections=16))
            failed += alone[-1].failed + beside[-1].failed
    p99 = [median(found.p99_ms for found in half) for half in (alone, beside)]
    return [
        Row("slow connections, one byte per second", count, ""),
        Row("p99 of other requests, without slow connections", p99[0], "ms"),
        Row("p99 of other requests, with slow connections", p99[1], "ms"),
        Row("p99 with / without slow connections", p99[1] / p99[0], "x", at_most=2),
        Row("failed requests of other clients", failed, "", at_most=0),
    ]


@contextmanager
def _dripping(server: Server, count: int, request: bytes) -> Iterator[None]:
    """So many connections that send a byte a second, each reopened where the server gave up on it."""
    done = threading.Event()
    head = request.index(b"\r\n\r\n") + 4

    def opened(number: int) -> tuple[socket, Iterator[int]]:
        connection = create_connection(("127.0.0.1", server.port), timeout=5)
        start = head if number % 2 else 0
        connection.sendall(request[:start])
        return connection, iter(request[start : len(request) - 1])

    slow = [opened(number) for number in range(count)]

    def drip() -> None:
        while not done.wait(1.0):
            for number, (connection, left) in enumerate(slow):
                try:
                    connection.sendall(bytes([next(left)]))
                except (OSError, StopIteration):
                    connection.close()
                    slow[number] = opened(number)

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        for connection, _ in slow:
            connection.close()


def overload(work: Path, like: Bundle, *, connections: int = 256, seconds: float = 5) -> list[Row]:
    """Far more than it takes at once: it says so, answers what it can, and is as before when that ends."""
    slow = random_model.make(work / "slow", like, widths=(2048, 2048))
    publish(work, slow, 1)
    without = other = 0

    def see(connection: Connection, status: int) -> None:
        nonlocal without, other
        if status == 503 and not connection.headers.get(b"retry-after", b"").isdigit():
            without += 1
        other += status not in (200, 503)

    with portfolio_server(work, use_case=like.manifest.use_case, max_requests="16") as server:
        with Clients(server.url, predict_request(server.url, body(like, 16)), connections, see) as clients:
            time.sleep(seconds)
            alive = call(f"{server.url}/healthz")[0] == 200
        recovery = wait_until(lambda: _all_good(server, like), RECOVERY_SECONDS * 4)
    counts = clients.counts
    return [
        Row("concurrent connections, with a limit of 16 requests", connections, ""),
        Row("good answers during the overload", counts["200"], "", at_least=1),
        Row("answers 503", counts["503"], "", at_least=1),
        Row("of these, without Retry-After", without, "", at_most=0),
        Row("other answers, or none", other + clients.lost, "", at_most=0),
        Row("/healthz answers during the overload", alive, "", at_least=1),
        Row("time until 20 requests in a row are answered again", recovery, "s", at_most=RECOVERY_SECONDS),
    ]


def _all_good(server: Server, like: Bundle) -> bool:
    return all(call(f"{server.url}/predict", body(like))[0] == 200 for _ in range(20))
