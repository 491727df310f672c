"""The rows that wait for a true label."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from portfolio.monitoring.prediction_log.asked import AskedRow
from portfolio.monitoring.prediction_log.log import PredictionLog

# More rows than this that wait for a label are not counted one by one.
MAX_WAITING = 1000
# How often the whole log is searched for them, and how late after its time an answer is usually written.
SEARCH_SECONDS = 600.0
LATEST_WRITTEN = timedelta(minutes=1)


class Backlog:
    """The rows that wait for a label, the oldest first, up to MAX_WAITING. For one thread at a time.

    A row that has its label keeps it, so what lies before the oldest that waits is not searched every time. It is
    now and then, because an answer may be written late.
    """

    def __init__(self, log: PredictionLog) -> None:
        self._log = log
        self._since: datetime | None = None
        self._searched_at = 0.0

    def rows(self) -> list[AskedRow]:
        now, began = time.monotonic(), datetime.now(UTC)
        if self._since is None or now - self._searched_at > SEARCH_SECONDS:
            self._since, self._searched_at = None, now
        rows = self._log.unlabelled(MAX_WAITING, self._since)
        self._since = min([began - LATEST_WRITTEN, *(row.answered_at for row in rows[:1])])
        return rows
