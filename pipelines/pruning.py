"""The pruning flow: old answers leave the prediction logs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from prefect import flow, get_run_logger

from pipelines.notices import tell_end
from portfolio.monitoring.prediction_log.address import log_address, logged_use_cases
from portfolio.monitoring.prediction_log.log import PredictionLog


@flow(
    name="pruning",
    retries=2,
    retry_delay_seconds=60,
    timeout_seconds=3600,
    on_failure=[tell_end],
    on_crashed=[tell_end],
)
def pruning(days: float = 90) -> dict[str, int]:
    """Delete old answers from every prediction log. Those with a true label are kept, since they can't be made again.

    Args:
        days: How long answers are kept.
    """
    deleted = {}
    for name in logged_use_cases():
        log = PredictionLog(str(log_address(name)))
        try:
            deleted[name] = log.prune(datetime.now(UTC) - timedelta(days=days), labelled=False)
            log.shrink()
        finally:
            log.close()
        get_run_logger().info("deleted answers of '%s': %s", name, deleted[name])
    return deleted
