"""What the monitor found, read from the log's database: for the operator's page, and for Prometheus.

Read in threads of its own, one at a time: neither a request for a prediction nor the writer of the log waits for it.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import orjson
from sqlalchemy.exc import DBAPIError

from portfolio.bundle.manifest import Manifest
from portfolio.bundle.store import Store
from portfolio.core.dates import iso_date
from portfolio.monitoring.looks import Look, Looks
from portfolio.monitoring.prediction_log.asked import AskedRow
from portfolio.monitoring.prediction_log.log import PredictionLog
from portfolio.monitoring.timeline import timeline
from serving.errors import RequestError
from serving.record.backlog import Backlog
from serving.record.manifests import Manifests
from serving.record.overview import Overview, body
from serving.runtime.served import ServedModel

logger = logging.getLogger("serving")
Found = TypeVar("Found")
# How long the page waits for the database, and how long a scrape does, which has other figures to tell.
READ_SECONDS, GAUGES_READ_SECONDS = 5.0, 1.0
# Scrapes within this time get the same figures.
GAUGES_SECONDS = 5.0


@dataclass(frozen=True)
class Gauges:
    """`look` is the newest one of the served model."""

    look: Look | None
    waiting: int


@dataclass(frozen=True)
class Waiting:
    """Rows whose true label was asked for and has not come: how many, and the oldest with their inputs."""

    count: int
    """Up to MAX_WAITING."""
    rows: list[AskedRow]
    inputs: dict[AskedRow, dict[str, Any]]
    manifests: dict[str, Manifest]
    """Of the bundles that answered, as far as the store still has them."""


class Watch:
    def __init__(self, address: str, store: Store) -> None:
        self._looks = Looks(address)
        self._manifests = Manifests(store)
        self._log = PredictionLog(address)
        self._backlog = Backlog(self._log)
        self._threads = anyio.CapacityLimiter(1)
        self._turn = threading.Lock()
        self._overview: Overview | None = None
        self._gauges: tuple[float, str, Gauges | None] | None = None

    async def overview(self, limit: int, served: ServedModel | None, use_case: str) -> Overview:
        """Of the newest looks and events, up to so many. Raises RequestError if the database can't be read."""

        def read() -> Overview:
            newest = [(look.look_id, look.acted_at) for look in self._looks.last(1)]
            events = [event.event_id for event in self._looks.events(1)]
            state = repr((limit, newest, events, served and served.bundle.digest))
            tag = hashlib.sha256(state.encode()).hexdigest()[:16]
            if self._overview is None or self._overview.tag != tag:
                looks = self._looks.last(limit + 1)
                moments = timeline(looks[:limit], self._looks.events(limit), has_earlier=len(looks) > limit)
                self._overview = Overview(tag, body(looks[:limit], moments[-limit:], served, use_case))
            return self._overview

        return await self._read(read, READ_SECONDS)

    async def waiting(self, limit: int) -> Waiting:
        """The oldest rows, up to so many. Raises RequestError if the database can't be read."""

        def read() -> Waiting:
            all_rows = self._backlog.rows()
            rows = all_rows[:limit]
            logged = self._log.inputs({row.request_id for row in rows})
            parsed = {request_id: orjson.loads(inputs) for request_id, inputs in logged.items()}
            found = {digest: self._manifests.get(digest) for digest in {row.digest for row in rows}}
            return Waiting(
                len(all_rows),
                [row for row in rows if row.request_id in parsed],
                {
                    row: _inputs(parsed[row.request_id], row.row, found[row.digest])
                    for row in rows
                    if row.request_id in parsed
                },
                {digest: manifest for digest, manifest in found.items() if manifest is not None},
            )

        return await self._read(read, READ_SECONDS)

    async def gauges(self, digest: str) -> Gauges | None:
        """Those of the model with this digest. None if the database can't be read, which is told elsewhere."""
        if self._gauges is not None:
            read_at, of_digest, gauges = self._gauges
            if of_digest == digest and time.monotonic() - read_at < GAUGES_SECONDS:
                return gauges

        def read() -> Gauges:
            newest = self._looks.last(1, digest)
            return Gauges(newest[0] if newest else None, len(self._backlog.rows()))

        found: Gauges | None = None
        with suppress(RequestError):
            found = await self._read(read, GAUGES_READ_SECONDS)
        self._gauges = (time.monotonic(), digest, found)
        return found

    async def _read(self, read: Callable[[], Found], seconds: float) -> Found:
        def in_turn() -> Found:
            # A database that never answers keeps one thread, and not one for each that asks after it.
            if not self._turn.acquire(timeout=seconds):
                raise TimeoutError("another read has not ended")
            try:
                return read()
            finally:
                self._turn.release()

        try:
            with anyio.fail_after(seconds):
                return await anyio.to_thread.run_sync(in_turn, limiter=self._threads, abandon_on_cancel=True)
        except (DBAPIError, OSError) as error:
            logger.warning("the prediction log can't be read: %s", error)
            raise RequestError(
                503,
                "log_unreadable",
                "The prediction log can't be read. Try again later.",
                retry_after_seconds=5,
            ) from error

    def close(self) -> None:
        self._looks.close()
        self._log.close()


def _inputs(logged: dict[str, list[Any]], row: int, manifest: Manifest | None) -> dict[str, Any]:
    """One row's values by field, as a request has them: a picture is a list, and what is missing is null."""
    values = {name: rows[row] for name, rows in logged.items()}
    found: dict[str, Any] = {
        name: value if len(value) > 1 else (None if value[0] == "" else value[0]) for name, value in values.items()
    }
    dates = [field.name for field in manifest.inputs if field.kind == "date"] if manifest else []
    return found | {name: iso_date(found[name]) for name in dates if found[name] is not None}
