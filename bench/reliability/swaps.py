"""New champions, one after the other, under steady requests."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import orjson

from bench import random_model
from bench.clients import Clients
from bench.reliability.asking import body, expected, predict_request, publish, served_version, wait_until
from bench.rows import Row
from bench.server import portfolio_server
from portfolio.bundle.bundle import Bundle
from portfolio.client.connection import Connection
from portfolio.core.types import Array

CONNECTIONS = 32
TOLERANCE = 1e-5
# By then everything that a swap needs has been loaded once.
WARM_SWAPS = 10


def swaps(work: Path, like: Bundle, *, count: int = 200, seconds: float = 120) -> list[Row]:
    """No request fails, each answer is that of the version it names, and the memory stays."""
    known: dict[int, tuple[str, Array]] = {}
    wrong = 0
    seen: set[int] = set()

    def see(connection: Connection, status: int) -> None:
        nonlocal wrong
        if status != 200:
            return
        answer = orjson.loads(connection.body)
        version = answer["model"]["version"]
        seen.add(version)
        digest, probabilities = known[version]
        found = np.array([list(row["probabilities"].values()) for row in answer["predictions"]])
        if answer["model"]["digest"] != digest or not np.allclose(found, probabilities, rtol=0, atol=TOLERANCE):
            wrong += 1

    def swap(version: int) -> None:
        bundle = random_model.make(work / "next", like, widths=(64,), seed=version, version=version)
        # Known before it is served.
        known[version] = bundle.digest, expected(bundle)
        assert publish(work, bundle, version) == bundle.digest

    swap(1)
    with (
        portfolio_server(work, use_case=like.manifest.use_case, poll_seconds="0.05") as server,
        Clients(server.url, predict_request(server.url, body(like)), CONNECTIONS, see) as clients,
    ):
        started = time.monotonic()
        warm_mib = server.rss_mib()
        for number in range(count):
            swap(number + 2)
            wait_until(lambda version=number + 2: served_version(server.url) == version)  # type: ignore[misc]
            if number < WARM_SWAPS:
                warm_mib = server.rss_mib()
            time.sleep(max(0.0, started + (number + 1) * seconds / count - time.monotonic()))
        taken = time.monotonic() - started
        grown = server.rss_mib() / warm_mib - 1
    return [
        Row("swaps", count, ""),
        Row("duration", taken, "s", at_most=seconds * 1.05 + 1),
        Row("versions seen in answers", len(seen), ""),
        Row("answers", clients.counts["200"], "", at_least=count),
        Row("failed requests", clients.failed, "", at_most=0),
        Row("answers that do not match the version they name", wrong, "", at_most=0),
        Row(f"memory growth since swap {min(count, WARM_SWAPS)}", grown * 100, "%", at_most=10),
    ]
