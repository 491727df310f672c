"""Where the prediction log of a use case is."""

from __future__ import annotations

import os

from portfolio.core.environment import sqlite_address, state_folder
from portfolio.core.errors import DataError
from portfolio.core.paths import default_use_case, listed_use_cases


def log_address(use_case: str) -> str | None:
    """What SERVING_LOG_URL names, or else the SQLite file in .state; None if no server has made that yet."""
    path = state_folder() / "log" / f"{use_case}.db"
    return os.environ.get("SERVING_LOG_URL") or (sqlite_address(path) if path.exists() else None)


def existing_log(use_case: str, url: str = "") -> str:
    """The same, or `url` if that is given. Raises DataError, saying what makes it, if there is no such file."""
    from portfolio.monitoring.prediction_log.database import file_of

    address = url or log_address(use_case)
    path = state_folder() / "log" / f"{use_case}.db" if address is None else file_of(address)
    if address is None or (path is not None and not path.exists()):
        raise DataError(f"There is no prediction log {path}. It is made when `portfolio serve` answers; or set --url.")
    return address


def logged_use_cases() -> list[str]:
    """The use cases that have a prediction log; where SERVING_LOG_URL names one, it is that of the served one alone."""
    if os.environ.get("SERVING_LOG_URL"):
        return [os.environ.get("PORTFOLIO_USE_CASE") or default_use_case()]
    return [name for name in listed_use_cases() if log_address(name)]
