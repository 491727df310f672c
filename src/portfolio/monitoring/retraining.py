"""Whether a retraining is asked for, and whether it may begin now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from portfolio.contract.config import Retrain
from portfolio.monitoring.looks import Event, Look

AskedBy = Literal["harm", "labels", "schedule", "person"]
"""Who asked for a run: a look that found harm, enough new labels, a schedule, or a person."""
OF_MONITOR = ("harm", "labels")


@dataclass(frozen=True)
class Request:
    """Who asks for a retraining, if anybody does, and what keeps it from beginning now."""

    asked_by: AskedBy | None = None
    held: str = ""

    @property
    def is_due(self) -> bool:
        return self.asked_by is not None and not self.held


def request(
    limits: Retrain, wanted: Look | None, new_labels: int, retrainings: Sequence[Event], now: datetime
) -> Request:
    """`wanted` is a harmful look that was not acted on; `retrainings` are the events of those that have begun."""
    asked_by: AskedBy | None = "harm" if wanted is not None else "labels" if new_labels >= limits.min_labels else None
    if asked_by is None:
        return Request()
    begun = [event.at for event in retrainings if event.kind == "retraining"]
    if begun and now < max(begun) + timedelta(hours=limits.cool_down_hours):
        until = max(begun) + timedelta(hours=limits.cool_down_hours)
        return Request(asked_by, f"the last one began at {max(begun):%Y-%m-%d %H:%M} UTC; until {until:%Y-%m-%d %H:%M}")
    week = [
        event.at
        for event in retrainings
        if event.kind == "retraining"
        and event.figures.get("asked_by") in OF_MONITOR
        and now - event.at < timedelta(days=7)
    ]
    if len(week) >= limits.max_per_week:
        return Request(asked_by, f"{len(week)} in the last seven days, of at most {limits.max_per_week}")
    return Request(asked_by)
