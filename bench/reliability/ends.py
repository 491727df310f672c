"""The server's end: asked to, it loses no request; killed, its log keeps its promise."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path
from socket import create_connection

import orjson

from bench.clients import Clients
from bench.reliability.asking import body, call, predict_request, publish, wait_until
from bench.rows import Row
from bench.server import Server, portfolio_server
from portfolio.bundle.bundle import Bundle
from portfolio.client.connection import Connection
from serving.record.recorder import SECONDS_TO_DISK

CONNECTIONS = 32
EXIT_SECONDS = 10


class Received:
    """The ids of good answers, with the time at which they came."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}

    def see(self, connection: Connection, status: int) -> None:
        if status == 200:
            self.at[orjson.loads(connection.body)["request_id"]] = time.time()

    def owed(self, killed_at: float, since: float = 0.0) -> set[str]:
        """Those that must be in the log: seen since then, and long enough before a kill."""
        # A copy, since the clients go on adding to it.
        return {one for one, seen in self.at.copy().items() if since <= seen < killed_at - SECONDS_TO_DISK}


def sigterm(work: Path, like: Bundle, *, count: int = 20, seed: int = 0) -> list[Row]:
    """Each request that was sent on an open connection gets its whole answer, also one that was half sent."""
    publish(work, like, 1)
    moments = random.Random(seed)
    received = Received()
    lost = failed = half_sent_answered = clean = 0
    slowest = 0.0
    for _ in range(count):
        with portfolio_server(work, use_case=like.manifest.use_case) as server:
            content = predict_request(server.url, body(like))
            with (
                Clients(server.url, content, CONNECTIONS, received.see, reconnect=False) as clients,
                closing(create_connection(("127.0.0.1", server.port), timeout=EXIT_SECONDS)) as half_sent,
            ):
                half_sent.sendall(content[: len(content) // 2])
                time.sleep(moments.uniform(0.2, 0.6))
                started = time.monotonic()
                server.signal(signal.SIGTERM)
                time.sleep(0.2)
                with suppress(OSError):
                    half_sent.sendall(content[len(content) // 2 :])
                    half_sent_answered += half_sent.recv(12) == b"HTTP/1.1 200"
                with suppress(subprocess.TimeoutExpired):
                    clean += server.process.wait(2 * EXIT_SECONDS) == 0
                slowest = max(slowest, time.monotonic() - started)
                clients.wait()
            lost += clients.lost
            failed += clients.failed - clients.lost
    return [
        Row("shutdowns by SIGTERM", count, ""),
        Row("answers", len(received.at), "", at_least=count),
        Row("requests without an answer", lost, "", at_most=0),
        Row("wrong answers", failed, "", at_most=0),
        Row("requests half sent before the signal, and answered", half_sent_answered, "", at_least=count),
        Row("exits with code 0", clean, "", at_least=count),
        Row("slowest shutdown", slowest, "s", at_most=EXIT_SECONDS),
        Row("answers missing from the log", len(received.at.keys() - logged(work)), "", at_most=0),
    ]


def kill(work: Path, like: Bundle, *, count: int = 50, seed: int = 0) -> list[Row]:
    """What was answered long enough before is in the log, which is whole."""
    publish(work, like, 1)
    moments = random.Random(seed)
    owed: set[str] = set()
    answers = 0
    damaged = 0
    for _ in range(count):
        with portfolio_server(work, use_case=like.manifest.use_case) as server:
            received = Received()
            content = predict_request(server.url, body(like))
            with Clients(server.url, content, CONNECTIONS, received.see, reconnect=False) as clients:
                time.sleep(SECONDS_TO_DISK + moments.uniform(0.2, 1))
                killed_at = time.time()
                server.kill()
                clients.wait()
        answers += len(received.at)
        owed |= received.owed(killed_at)
        damaged += not is_whole(work)
    there = logged(work)
    with closing(sqlite3.connect(log_of(work))) as log:
        rows = log.execute("SELECT count(*) FROM predictions").fetchone()[0]
    return [
        Row("kills", count, ""),
        Row("answers", answers, "", at_least=count),
        Row(f"answers sent more than {SECONDS_TO_DISK:g} s before the kill", len(owed), "", at_least=count),
        Row("of these, missing from the log", len(owed - there), "", at_most=0),
        Row("duplicate rows in the log", rows - len(there), "", at_most=0),
        Row("damaged logs", damaged, "", at_most=0),
    ]


def worker_killed(work: Path, like: Bundle, *, count: int = 30, seed: int = 0) -> list[Row]:
    """One of two workers is killed again and again: the other goes on, a new one takes its place, the log is kept."""
    publish(work, like, 1)
    moments = random.Random(seed)
    received = Received()
    owed: set[str] = set()
    slowest = 0.0
    backwards = 0
    counted = 0.0
    with portfolio_server(work, use_case=like.manifest.use_case, workers="2") as server:
        returned_at = time.time()
        content = predict_request(server.url, body(like))
        with Clients(server.url, content, CONNECTIONS, received.see) as clients:
            for _ in range(count):
                time.sleep(SECONDS_TO_DISK + moments.uniform(0.2, 1))
                workers = server.workers()
                killed = moments.choice(workers)
                at = time.time()
                os.kill(killed, signal.SIGKILL)
                slowest = max(slowest, wait_until(lambda old=workers: _is_whole_again(server, old)))  # type: ignore[misc]
                # What was sent just before an earlier kill may be lost.
                owed |= received.owed(at, returned_at)
                returned_at = time.time()
                before, counted = counted, call(f"{server.url}/stats")[1]["predictions"]
                backwards += counted < before
        failed = clients.failed - clients.lost
    return [
        Row("kills of one of two workers", count, ""),
        Row("answers", len(received.at), "", at_least=count),
        Row("requests lost, of those that the killed ones had", clients.lost, "", at_most=count * CONNECTIONS),
        Row("other failed requests", failed, "", at_most=0),
        Row("slowest return to two workers", slowest, "s", at_most=5),
        Row("counts that went backwards", backwards, "", at_most=0),
        Row(
            f"answers sent more than {SECONDS_TO_DISK:g} s before a kill, and missing from the log",
            len(owed - logged(work)),
            "",
            at_most=0,
        ),
        Row("damaged logs", not is_whole(work), "", at_most=0),
    ]


def _is_whole_again(server: Server, before: list[int]) -> bool:
    """Whether there are two workers again, one of them new, and both serve."""
    now = server.workers()
    return len(now) == len(before) and set(now) != set(before) and call(f"{server.url}/readyz")[0] == 200


def log_of(work: Path) -> Path:
    (path,) = (work / "log").glob("*.db")
    return path


def logged(work: Path) -> set[str]:
    with closing(sqlite3.connect(log_of(work))) as log:
        return {request_id for (request_id,) in log.execute("SELECT request_id FROM predictions")}


def is_whole(work: Path) -> bool:
    with closing(sqlite3.connect(log_of(work))) as log:
        return bool(log.execute("PRAGMA integrity_check").fetchone() == ("ok",))
