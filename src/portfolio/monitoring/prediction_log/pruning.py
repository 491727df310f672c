"""Old answers, deleted from a prediction log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import DBAPIError

from portfolio.monitoring.prediction_log.address import log_unusable
from portfolio.monitoring.prediction_log.log import PredictionLog


def prune(address: str, days: float, *, labelled: bool) -> int:
    """Delete answers older than so many days, free their space, and say how many they were.

    Those with a label are kept, unless `labelled`. Raises DataError if the database can't be used.
    """
    log = PredictionLog(address)
    try:
        deleted = log.prune(datetime.now(UTC) - timedelta(days=days), labelled=labelled)
        log.shrink()
    except DBAPIError as error:
        raise log_unusable(address, error) from error
    finally:
        log.close()
    return deleted
