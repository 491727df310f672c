"""Where the prediction log of a use case is."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from portfolio.core.environment import sqlite_address, state_folder
from portfolio.core.errors import DataError
from portfolio.core.paths import default_use_case, listed_use_cases
from portfolio.core.sqlite import LOCKED, is_locked

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError


def log_address(use_case: str) -> str | None:
    """What SERVING_LOG_URL names, or else the SQLite file in .state; None if no server has made that yet.

    SERVING_LOG_URL is the log of the served use case alone: a look or an event of another would be taken for its own.
    """
    if url := os.environ.get("SERVING_LOG_URL"):
        return url if use_case == _served() else None
    path = state_folder() / "log" / f"{use_case}.db"
    return sqlite_address(path) if path.exists() else None


def existing_log(use_case: str, url: str = "") -> str:
    """The same, or `url` if that is given. Raises DataError, saying what makes it, if there is none."""
    from portfolio.monitoring.prediction_log.database import file_of

    address = url or log_address(use_case)
    if address is None and os.environ.get("SERVING_LOG_URL"):
        raise DataError(
            f"SERVING_LOG_URL names the prediction log of '{_served()}', not of '{use_case}'. If '{use_case}' is what "
            f"is served, set PORTFOLIO_USE_CASE={use_case}; or name its own log with --url."
        )
    path = state_folder() / "log" / f"{use_case}.db" if address is None else file_of(address)
    if address is None or (path is not None and not path.exists()):
        raise DataError(f"There is no prediction log {path}. It is made when `portfolio serve` answers; or set --url.")
    return address


def log_unusable(address: str, error: DBAPIError) -> DataError:
    """What a fault of the database comes to for a user, with the remedy."""
    from portfolio.monitoring.prediction_log.database import file_of

    path, cause = file_of(address), str(error.orig).splitlines()[0]
    if path is not None and re.search("malformed|not a database", cause):
        return DataError(
            f"The prediction log {path} is damaged ({cause}). Move it away, and a new one is made; its answers and "
            f"labels are lost to the monitor and to training: mv {path} {path}.damaged"
        )
    if path is not None and "readonly" in cause:
        return DataError(f"The prediction log {path} can't be written ({cause}). Make it and its folder writable.")
    if path is not None and is_locked(error):
        return DataError(f"The prediction log {path} can't be used ({cause}). {LOCKED}; then run the same again.")
    return DataError(f"The prediction log can't be used: {cause}. Once its database answers, run the same again.")


def logged_use_cases() -> list[str]:
    """The use cases that have a prediction log; where SERVING_LOG_URL names one, it is that of the served one alone."""
    return (
        [_served()] if os.environ.get("SERVING_LOG_URL") else [name for name in listed_use_cases() if log_address(name)]
    )


def _served() -> str:
    return os.environ.get("PORTFOLIO_USE_CASE") or default_use_case()
