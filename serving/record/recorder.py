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
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Table
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from portfolio.core.types import Array
from portfolio.monitoring.prediction_log import PredictionLog, predictions, shadow_predictions
from serving.errors import RequestError

logger = logging.getLogger("serving")

SECONDS_TO_DISK = 1.0
# Records that arrive within this time share a commit.
GATHER_SECONDS = 0.1
MAX_BATCH, MAX_BATCH_BYTES = 2000, 16 * 1024 * 1024
# Of everything that waits, so that fewer large records than small ones may wait.
MAX_WAITING_BYTES = 64 * 1024 * 1024
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.1, 5.0
# How long the sender of a label waits for the database.
LABEL_SECONDS = 5.0
# How many may wait: they are requests in progress, and must leave room for predictions.
MAX_LABELS = 64


IsRight = Callable[[list[float]], bool | None]
"""Says of the logged outputs of a row whether the answer was right; None if that can't be said."""


@dataclass(slots=True)
class Record:
    """One answered request. Without inputs it is a shadow's answer, which nobody saw."""

    request_id: str
    answered_at_seconds: float
    version: int
    digest: str
    outputs: Array
    by_machine: list[bool]
    protocol: str = ""
    inputs: dict[str, Array] | None = None
    bytes: int = 0
    """Roughly what it occupies while it waits."""

    @property
    def table(self) -> Table:
        return shadow_predictions if self.inputs is None else predictions

    def row(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "request_id": self.request_id,
            "answered_at": datetime.fromtimestamp(self.answered_at_seconds, UTC),
            "model_version": self.version,
            "digest": self.digest,
            "outputs": _json(self.outputs),
            "by_machine": _json(self.by_machine),
        }
        if self.inputs is not None:
            columns = {name: a.tolist() if a.dtype == object else a for name, a in self.inputs.items()}
            row |= {"protocol": self.protocol, "rows": len(self.outputs), "inputs": _json(columns)}
        return row


@dataclass(slots=True)
class Label:
    """A true label on its way to the log; `done` gets whether the answer was right, or the error."""

    request_id: str
    row: int
    label: str | float
    received_at_seconds: float
    after: int
    """How many records came before it: its own answer may be one of them, and must be written first."""
    is_right: IsRight
    done: asyncio.Future[bool | None]
    loop: asyncio.AbstractEventLoop


class Recorder:
    """Start it once. `stop` writes what is still waiting."""

    def __init__(self, log: PredictionLog, max_queue: int) -> None:
        self.dropped = 0
        self.seconds_to_disk = 0.0
        """How old the oldest record of the last batch was when it had been written."""
        self._log = log
        self._max_queue = max_queue
        self._queue: deque[Record] = deque()
        self._unwritten: list[Record] = []
        self._rows: list[tuple[Table, dict[str, Any]]] = []
        """The same as rows for the database, kept from one attempt to the next."""
        self._labels: deque[Label] = deque()
        self._failing = False
        # Records that arrived, and those of them that are written; and their bytes.
        self._taken = self._done = 0
        self._taken_bytes = self._done_bytes = 0
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    @property
    def waiting(self) -> int:
        return len(self._queue) + len(self._unwritten) + len(self._labels)

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

    async def label(self, request_id: str, row: int, label: str | float, is_right: IsRight) -> bool | None:
        """Store a true label. Returns once it is committed, with whether the answer was right.

        Raises RequestError if the id is unknown, if the row already has a label, or if the log can't be written.
        """
        loop = asyncio.get_running_loop()
        if self._failing or self._is_full or len(self._labels) >= MAX_LABELS:
            raise _unavailable()
        item = Label(request_id, row, label, time.time(), self._taken, is_right, loop.create_future(), loop)
        self._labels.append(item)
        self._wake.set()
        try:
            # A label that takes too long is cancelled, and a cancelled one is not stored.
            return await asyncio.wait_for(item.done, LABEL_SECONDS)
        except TimeoutError:
            raise _unavailable() from None

    async def stop(self, timeout_seconds: float) -> None:
        """Write what waits, for at most `timeout_seconds`. The rest is counted as dropped."""
        self._stopping.set()
        self._wake.set()
        await asyncio.to_thread(self._thread.join, timeout_seconds)
        if self.waiting:
            self.dropped += self.waiting
            logger.error("the prediction log could not be written: %d records were lost", self.waiting)
        self._log.close()

    def _run(self) -> None:
        retry_seconds = FIRST_RETRY_SECONDS
        while True:
            if not self._unwritten:
                self._wake.wait()
                # If a full batch is waiting already, it must not be held up.
                if len(self._queue) < MAX_BATCH and not self._stopping.is_set():
                    self._stopping.wait(GATHER_SECONDS)
                self._wake.clear()
            if self._write():
                retry_seconds = FIRST_RETRY_SECONDS
                more = bool(self._queue or self._labels)
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
        written = self._append()
        self._failing = not written
        if written:
            self._done += count
            self._done_bytes += size
        # Nobody should wait for a log that can't be written.
        while self._labels and (not written or self._labels[0].after <= self._done):
            label = self._labels.popleft()
            if not label.done.done():
                self._settle(label, self._store(label) if written else _unavailable())
        return written

    def _append(self) -> bool:
        try:
            for table in (predictions, shadow_predictions):
                rows = [row for of, row in self._rows if of is table]
                if rows:
                    self._append_rows(table, rows)
        except Exception as error:  # whatever a driver raises, this thread must live and try again
            logger.error("the prediction log can't be written: %s", _first_line(error))
            return False
        if self._unwritten:
            self.seconds_to_disk = max(0.0, time.time() - self._unwritten[0].answered_at_seconds)
            self._unwritten.clear()
            self._rows.clear()
        return True

    def _append_rows(self, table: Table, rows: list[dict[str, Any]]) -> None:
        try:
            self._log.append(table, rows)
        except (OperationalError, InterfaceError):
            raise
        except DBAPIError as error:
            # The database works, but refuses something in the batch. That must not hold up the other records.
            if len(rows) == 1:
                self.dropped += 1
                logger.error("the prediction log refuses %s: %s", rows[0]["request_id"], error.orig)
                return
            for row in rows:
                self._append_rows(table, [row])

    def _store(self, label: Label) -> bool | RequestError | None:
        try:
            known = self._log.prediction(label.request_id)
            if known is None or label.row >= known["rows"]:
                return _unknown(label)
            given = self._log.label(label.request_id, label.row)
            if given is not None:
                return _second(label, given)
            right = label.is_right(orjson.loads(known["outputs"])[label.row])
            row = {
                "request_id": label.request_id,
                "row": label.row,
                "label": _json(label.label),
                "right": right,
                "received_at": datetime.fromtimestamp(label.received_at_seconds, UTC),
            }
            if not self._log.add_label(row):
                # Another server on the same log received one at the same moment.
                return _second(label, self._log.label(label.request_id, label.row) or "")
        except Exception as error:
            logger.error("feedback can't be stored: %s", _first_line(error))
            return _unavailable()
        return right

    @staticmethod
    def _settle(label: Label, outcome: bool | RequestError | None) -> None:
        def settle() -> None:
            # A client that has gone has cancelled its wait.
            if label.done.done():
                return
            if isinstance(outcome, RequestError):
                label.done.set_exception(outcome)
            else:
                label.done.set_result(outcome)

        label.loop.call_soon_threadsafe(settle)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode()


def _unknown(label: Label) -> RequestError:
    return RequestError(
        404,
        "unknown_request",
        f"No answer {label.request_id} with a row {label.row}. Send the request_id of an answer.",
    )


def _second(label: Label, given: str) -> RequestError:
    return RequestError(
        409, "second_label", f"Row {label.row} of {label.request_id} already has the label {given}, which is kept."
    )


def _unavailable() -> RequestError:
    return RequestError(
        503,
        "log_unavailable",
        "The label could not be stored because the prediction log can't be written. Try again later.",
        retry_after_seconds=5,
    )
