"""The pruning flow: old answers leave the prediction logs."""

from __future__ import annotations

from typing import Annotated

from prefect import flow, get_run_logger
from pydantic import Field

from pipelines.notices import tell_end
from portfolio.core.environment import MAX_KEEP_DAYS
from portfolio.core.errors import DataError
from portfolio.monitoring.prediction_log.address import log_address, logged_use_cases
from portfolio.monitoring.prediction_log.pruning import prune


@flow(
    name="pruning",
    retries=2,
    retry_delay_seconds=60,
    timeout_seconds=3600,
    on_failure=[tell_end],
    on_crashed=[tell_end],
)
def pruning(days: Annotated[float, Field(ge=0, le=MAX_KEEP_DAYS)] = 90) -> dict[str, int]:
    """Delete old answers from every prediction log. Those with a true label are kept, since they can't be made again.

    Args:
        days: How long answers are kept.
    """
    deleted, errors = {}, []
    for name in logged_use_cases():
        try:
            deleted[name] = prune(str(log_address(name)), days, labelled=False)
        except DataError as error:
            # The others are pruned all the same.
            get_run_logger().error("the log of '%s' can't be pruned: %s", name, error)
            errors.append(error)
        else:
            get_run_logger().info("deleted answers of '%s': %s", name, deleted[name])
    if errors:
        raise errors[0]
    return deleted
