"""Requests for predictions that got no answer, counted by the minute: what the monitor knows of them."""

from __future__ import annotations

import time
from collections import Counter, deque
from datetime import UTC, datetime
from typing import Any, NamedTuple

MINUTE_SECONDS = 60
# What waits while the log can't be written; beyond that it is not counted.
MAX_WAITING, MAX_COUNTS = 10_000, 10_000


class Failed(NamedTuple):
    """Why one got none: the HTTP status, and the field that was wrong, or "" if it was none."""

    until_seconds: int
    """The end of its minute."""
    digest: str
    version: int
    status: int
    field: str

    def row(self, requests: int) -> dict[str, Any]:
        return {
            "until": datetime.fromtimestamp(self.until_seconds, UTC),
            "digest": self.digest,
            "model_version": self.version,
            "status": self.status,
            "field": self.field,
            "requests": requests,
        }


class Unanswered:
    """`add` is for the event loop, the rest for the one thread that writes."""

    def __init__(self) -> None:
        self._waiting: deque[Failed] = deque(maxlen=MAX_WAITING)
        self._counts: Counter[Failed] = Counter()

    def __bool__(self) -> bool:
        return bool(self._waiting or self._counts)

    def add(self, digest: str, version: int, status: int, field: str) -> None:
        until_seconds = (int(time.time()) // MINUTE_SECONDS + 1) * MINUTE_SECONDS
        self._waiting.append(Failed(until_seconds, digest, version, status, field))

    def rows(self) -> list[dict[str, Any]]:
        """What is to be added to the log's counts. `written` forgets it."""
        while self._waiting:
            failed = self._waiting.popleft()
            if failed in self._counts or len(self._counts) < MAX_COUNTS:
                self._counts[failed] += 1
        return [failed.row(requests) for failed, requests in self._counts.items()]

    def written(self) -> None:
        self._counts.clear()
