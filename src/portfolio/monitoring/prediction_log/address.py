"""Where the prediction log of a use case is."""

from __future__ import annotations

import os

from portfolio.core.environment import sqlite_address, state_folder


def log_address(use_case: str) -> str | None:
    """What SERVING_LOG_URL names, or else the SQLite file in .state; None if no server has made that yet."""
    stated = os.environ.get("SERVING_LOG_URL", "")
    path = state_folder() / "log" / f"{use_case}.db"
    if not stated and not path.exists():
        return None
    return stated or sqlite_address(path)
