"""The server's end: asked to, it loses no request; killed, its log keeps its promise."""

from __future__ import annotations

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
from bench.reliability.asking import body, predict_request, publish
from bench.rows import Row
from bench.server import portfolio_server
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
                server.signal(signal.SIGKILL)
                server.process.wait()
                clients.wait()
        answers += len(received.at)
        owed |= {request_id for request_id, at in received.at.items() if at < killed_at - SECONDS_TO_DISK}
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


def log_of(work: Path) -> Path:
    (path,) = (work / "log").glob("*.db")
    return path


def logged(work: Path) -> set[str]:
    with closing(sqlite3.connect(log_of(work))) as log:
        return {request_id for (request_id,) in log.execute("SELECT request_id FROM predictions")}


def is_whole(work: Path) -> bool:
    with closing(sqlite3.connect(log_of(work))) as log:
        return bool(log.execute("PRAGMA integrity_check").fetchone() == ("ok",))
