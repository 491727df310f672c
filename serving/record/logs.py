"""Logs as lines of JSON on standard error, with the id of each request.

Whoever logs never waits, even if nobody reads: a thread of its own writes, a few times a second, and the oldest lines
are dropped. Python's logging takes everything that is rare. A line per request does not go through it: a record in a
QueueHandler takes 11 µs of the event loop, a dictionary in this queue 0.5 µs, and a whole request about 160 µs.
"""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

FLUSH_SECONDS = 0.2
# If nobody reads them, the oldest are dropped.
MAX_LINES = 10_000


class LogWriter(logging.Handler):
    """Takes what is logged by Python's logging, and a line per request."""

    def __init__(self, *, is_shared: bool = False) -> None:
        """`is_shared`: other processes write to the same place, so that lines must be written as wholes."""
        super().__init__()
        self._is_shared = is_shared
        self._lines: deque[dict[str, Any]] = deque(maxlen=MAX_LINES)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)

    def start(self) -> None:
        """Start writing, and send everything that is logged here."""
        logging.basicConfig(level=logging.WARNING, handlers=[self], force=True)
        logging.getLogger("serving").setLevel(logging.INFO)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout=1)

    def emit(self, record: logging.LogRecord) -> None:
        line = {
            "at_seconds": record.created,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = logging.Formatter().formatException(record.exc_info)
        self._add(line)

    def request(self, at_seconds: float, fields: dict[str, Any]) -> None:
        self._add({"at_seconds": at_seconds, "level": "info", "logger": "access", **fields})

    def _add(self, line: dict[str, Any]) -> None:
        self._lines.append(line)
        if not self._wake.is_set():
            self._wake.set()

    def _run(self) -> None:
        while not self._stopping.is_set() or self._lines:
            self._wake.wait()
            self._stopping.wait(FLUSH_SECONDS)
            self._wake.clear()
            lines = [line(**self._lines.popleft()) for _ in range(len(self._lines))]
            try:
                for text in _wholes(lines) if self._is_shared else [b"".join(lines)]:
                    _write(text)
            except OSError:
                # Nobody reads any more.
                return


def _write(text: bytes) -> None:
    """Not through Python's buffer: a stalled reader would hold its lock until the process ends."""
    while text:
        text = text[os.write(sys.stderr.fileno(), text) :]


def _wholes(lines: list[bytes]) -> Iterator[bytes]:
    """Lines together, as many as a pipe takes without mixing them with those of others."""
    text = b""
    for one in lines:
        if text and len(text) + len(one) > select.PIPE_BUF:
            yield text
            text = b""
        text += one
    yield text


def line(at_seconds: float, **fields: Any) -> bytes:
    time = datetime.fromtimestamp(at_seconds, UTC).isoformat(timespec="milliseconds")
    return orjson.dumps({"time": time, **fields}, default=str) + b"\n"
