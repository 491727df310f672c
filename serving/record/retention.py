"""Deletes old answers from the prediction log, if the settings say how long they are kept."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta

from portfolio.monitoring.prediction_log.log import PredictionLog

logger = logging.getLogger("serving")
PAUSE_SECONDS = 3600.0


class Retention:
    """A separate thread, with its own connection: the one that writes answers must not wait for it."""

    def __init__(self, log: PredictionLog, keep_days: float) -> None:
        self._log = log
        self._keep = timedelta(days=keep_days)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-retention", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def _run(self) -> None:
        while True:
            try:
                deleted = self._log.prune(datetime.now(UTC) - self._keep, labelled=False)
            except Exception as error:  # the next time may succeed
                logger.error("old answers can't be deleted from the prediction log: %s", error)
            else:
                if deleted:
                    logger.info("%d old answers were deleted from the prediction log", deleted)
            if self._stopping.wait(PAUSE_SECONDS):
                self._log.close()
                return
