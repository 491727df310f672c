"""Writes the prediction log beside the requests: they leave a record in a bounded queue, and one thread commits.

The promise: an answer sent more than SECONDS_TO_DISK ago is in the log exactly once, whatever happens to the process,
as long as the database accepts writes. While it does not, predictions go on, records wait, and those that the queue
has no room for are dropped and counted. Feedback is acknowledged once it has been committed.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Table
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError

from portfolio.monitoring.prediction_log.log import PredictionLog
from portfolio.monitoring.prediction_log.tables import predictions, shadow_predictions
from serving.errors import RequestError
from serving.record.feedback import TrueLabel
from serving.record.labels import Labels, Outcome
from serving.record.record import Record
from serving.record.unanswered import Unanswered

logger = logging.getLogger("serving")

SECONDS_TO_DISK = 1.0
"""What was answered longer ago when it is written is dated to the attempt: the monitor does not look back for it."""
# Records that arrive within this time share a commit.
GATHER_SECONDS = 0.1
MAX_BATCH, MAX_BATCH_BYTES = 2000, 16 * 1024 * 1024
# Of everything that waits, so that fewer large records than small ones may wait.
MAX_WAITING_BYTES = 64 * 1024 * 1024
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.1, 5.0
# How long the sender of labels waits for the database.
LABEL_SECONDS = 5.0
# How many requests with labels may wait: they must leave room for predictions.
MAX_LABEL_REQUESTS = 128


@dataclass(slots=True)
class Waiting:
    """The labels of one request on their way to the log; `done` gets what became of each."""

    labels: list[TrueLabel]
    after: int
    """How many records came before them: their own answers may be among these, and must be written first."""
    done: asyncio.Future[list[Outcome]]
    loop: asyncio.AbstractEventLoop


class Recorder:
    """Start it once. `stop` writes what is still waiting."""

    def __init__(self, log: PredictionLog, labels: Labels, max_queue: int) -> None:
        self.dropped = 0
        self.failure: str | None = None
        """Why the log can't be written, while it can't."""
        self._log = log
        self._labels = labels
        self._max_queue = max_queue
        self._queue: deque[Record] = deque()
        self._unwritten: list[Record] = []
        self._rows: list[tuple[Table, dict[str, Any]]] = []
        """The same as rows for the database, kept from one attempt to the next."""
        self._labelling: deque[Waiting] = deque()
        self._unanswered = Unanswered()
        self._last_seconds_to_disk = 0.0
        # Records that arrived, and those of them that are written; and their bytes.
        self._taken = self._done = 0
        self._taken_bytes = self._done_bytes = 0
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    @property
    def waiting(self) -> int:
        return len(self._queue) + len(self._unwritten) + len(self._labelling)

    @property
    def seconds_to_disk(self) -> float:
        """How old the oldest record that waits is, or that of the last batch was when it had been written."""
        # Another thread takes them away.
        for waiting in (self._unwritten, self._queue):
            try:
                waited = time.time() - waiting[0].answered_at_seconds
            except IndexError:
                continue
            if waited > GATHER_SECONDS:
                return waited
        return self._last_seconds_to_disk

    @property
    def _is_full(self) -> bool:
        return self.waiting >= self._max_queue or self._taken_bytes - self._done_bytes >= MAX_WAITING_BYTES

    def start(self) -> None:
        self._thread.start()

    def put(self, record: Record) -> None:
        """Leave a record to be written. If there is no room it is dropped and counted."""
        if self._is_full:
            self.dropped += 1
            return
        self._taken += 1
        self._taken_bytes += record.bytes
        self._queue.append(record)
        if not self._wake.is_set():
            self._wake.set()

    def put_unanswered(self, digest: str, version: int, status: int, field: str) -> None:
        """Count a request that this bundle did not answer, by the status and the field that was wrong, or ""."""
        self._unanswered.add(digest, version, status, field)
        if not self._wake.is_set():
            self._wake.set()

    async def label(self, labels: list[TrueLabel]) -> list[Outcome]:
        """Store true labels. Returns once they are committed, with what became of each.

        Raises RequestError if the log can't be written, or too many wait for it.
        """
        loop = asyncio.get_running_loop()
        if self.failure is not None or self._is_full:
            raise _unavailable()
        if len(self._labelling) >= MAX_LABEL_REQUESTS:
            raise RequestError(
                503,
                "too_busy",
                f"More than {MAX_LABEL_REQUESTS} requests with labels at once. Send several labels in one request.",
                retry_after_seconds=1,
            )
        waiting = Waiting(labels, self._taken, loop.create_future(), loop)
        self._labelling.append(waiting)
        self._hurry.set()
        self._wake.set()
        try:
            # Labels that take too long are cancelled, and cancelled ones are not stored.
            return await asyncio.wait_for(waiting.done, LABEL_SECONDS)
        except TimeoutError:
            raise RequestError(
                503,
                "log_slow",
                f"The labels were not confirmed within {LABEL_SECONDS:g} seconds. Send them again: what is stored "
                "already stays as it is.",
                retry_after_seconds=5,
            ) from None

    async def written(self) -> None:
        """Return once what was put so far is in the log. Raises RequestError if it can't be written."""
        await self.label([])

    async def stop(self, timeout_seconds: float) -> None:
        """Write what waits, for at most `timeout_seconds`. The rest is counted as dropped."""
        self._stopping.set()
        self._hurry.set()
        self._wake.set()
        await asyncio.to_thread(self._thread.join, timeout_seconds)
        if self.waiting:
            self.dropped += self.waiting
            logger.error("the prediction log could not be written: %d records were lost", self.waiting)
        self._log.close()

    def _run(self) -> None:
        retry_seconds = FIRST_RETRY_SECONDS
        # A log that can't be written is found at the start, not with the first answer.
        self._try_to(self._log.check)
        while True:
            if not self._unwritten:
                # Whether a log that fails has come back is tried even if nothing waits for it.
                self._wake.wait(None if self.failure is None else LAST_RETRY_SECONDS)
                # If a full batch is waiting already, or somebody for labels, it must not be held up.
                if len(self._queue) < MAX_BATCH and not self._stopping.is_set():
                    self._hurry.wait(GATHER_SECONDS)
                self._hurry.clear()
                self._wake.clear()
            if self._write():
                retry_seconds = FIRST_RETRY_SECONDS
                more = bool(self._queue or self._labelling or self._unanswered)
                if self._stopping.is_set() and not more:
                    return
                if more:
                    self._wake.set()
                continue
            if self._stopping.wait(retry_seconds):
                # One last attempt. `stop` counts what is left.
                self._write()
                return
            retry_seconds = min(2 * retry_seconds, LAST_RETRY_SECONDS)

    def _try_to(self, act: Callable[[], None]) -> bool:
        """False if the database can't be used; `failure` then says why."""
        try:
            act()
        except Exception as error:  # whatever a driver raises, this thread must live and try again
            reason = _first_line(error)
            if reason != self.failure:
                logger.error("the prediction log can't be written: %s", reason)
            self.failure = reason
            return False
        if self.failure is not None:
            logger.info("the prediction log can be written again")
        self.failure = None
        return True

    def _write(self) -> bool:
        """Write what waits, in order. False if the database could not be used; then everything stays to be written."""
        size = sum(record.bytes for record in self._unwritten)
        while self._queue and len(self._unwritten) < MAX_BATCH and size < MAX_BATCH_BYTES:
            # Removed from the queue last, so that `waiting` never misses one and the bound holds.
            record = self._queue[0]
            self._rows.append((record.table, record.row()))
            self._unwritten.append(record)
            size += record.bytes
            self._queue.popleft()
        count = len(self._unwritten)
        something = count or self._unanswered or self.failure is None
        written = self._try_to(self._append if something else self._log.check)
        if written:
            self._done += count
            self._done_bytes += size
        # Nobody should wait for a log that can't be written.
        ready: list[Waiting] = []
        while self._labelling and (not written or self._labelling[0].after <= self._done):
            waiting = self._labelling.popleft()
            if not waiting.done.done():
                ready.append(waiting)
        if ready and written:
            self._store_labels(ready)
        else:
            for waiting in ready:
                self._settle(waiting, _unavailable())
        return written

    def _append(self) -> None:
        now = datetime.now(UTC)
        late = now - timedelta(seconds=SECONDS_TO_DISK)
        for _, row in self._rows:
            if row["answered_at"] < late:
                row["answered_at"] = now
        for table in (predictions, shadow_predictions):
            rows = [row for of, row in self._rows if of is table]
            if rows:
                self._append_rows(table, rows)
        if self._unwritten:
            self._last_seconds_to_disk = max(0.0, time.time() - self._unwritten[0].answered_at_seconds)
            self._unwritten.clear()
            self._rows.clear()
        if counts := self._unanswered.rows():
            self._log.count_unanswered(counts)
            self._unanswered.written()

    def _append_rows(self, table: Table, rows: list[dict[str, Any]]) -> None:
        try:
            self._log.append(table, rows)
        except (DataError, IntegrityError) as error:
            # The database works, but refuses something in the batch. That must not hold up the other records.
            if len(rows) == 1:
                self.dropped += 1
                logger.error("the prediction log refuses %s: %s", rows[0]["request_id"], error.orig)
                return
            for row in rows:
                self._append_rows(table, [row])

    def _store_labels(self, ready: list[Waiting]) -> None:
        """Store the labels of several requests, in one transaction if possible, and tell what became of each."""
        try:
            labels = [label for waiting in ready for label in waiting.labels]
            outcomes = iter(self._labels.store(labels, datetime.now(UTC)))
        except (OperationalError, InterfaceError) as error:
            logger.error("labels can't be stored: %s", _first_line(error))
            for waiting in ready:
                self._settle(waiting, _unavailable())
        except Exception as error:
            # The database works, but something in the labels is wrong. That must not fail those of other requests.
            if len(ready) == 1:
                logger.error("labels can't be stored: %s", _first_line(error))
                self._settle(ready[0], _unstorable())
                return
            for waiting in ready:
                self._store_labels([waiting])
        else:
            for waiting in ready:
                self._settle(waiting, list(islice(outcomes, len(waiting.labels))))

    @staticmethod
    def _settle(waiting: Waiting, outcomes: list[Outcome] | RequestError) -> None:
        def settle() -> None:
            # A client that has gone has cancelled its wait.
            if waiting.done.done():
                return
            if isinstance(outcomes, RequestError):
                waiting.done.set_exception(outcomes)
            else:
                waiting.done.set_result(outcomes)

        waiting.loop.call_soon_threadsafe(settle)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _unavailable() -> RequestError:
    return RequestError(
        503,
        "log_unavailable",
        "The label could not be stored because the prediction log can't be written. Try again later.",
        retry_after_seconds=5,
    )


def _unstorable() -> RequestError:
    return RequestError(500, "internal", "The labels could not be stored. The server's log says why.")
