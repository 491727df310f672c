"""Whether a retraining is asked for, and whether it may begin now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Literal

from portfolio.bundle.store import Store
from portfolio.contract.config import Retrain
from portfolio.contract.use_case import UseCase
from portfolio.core.paths import Paths
from portfolio.monitoring.events import looks_of, note_event
from portfolio.monitoring.feedback import waiting_labels
from portfolio.monitoring.looks import CLOCKS_APART, Event, Look

AskedBy = Literal["harm", "labels", "schedule", "person"]
"""Who asked for a run: a look that found harm, enough new labels, a schedule, or a person."""
OF_MONITOR = ("harm", "labels")
ENDED = "ended"
"""A figure of a retraining's event: False until it has ended."""


@dataclass(frozen=True)
class Request:
    """Who asks for a retraining, if anybody does, and what keeps it from beginning now."""

    asked_by: AskedBy | None = None
    held: str = ""

    @property
    def is_due(self) -> bool:
        return self.asked_by is not None and not self.held


@contextmanager
def retraining(use_case: str, asked_by: AskedBy, labels: int, begun: datetime) -> Iterator[None]:
    """Note that a retraining has begun, and that it has ended, be it by an error. One that was cut off has not."""
    event = Event("retraining", figures={"asked_by": asked_by, "labels": labels, ENDED: False}, at=begun)
    note_event(use_case, event)
    ended = replace(event, figures=event.figures | {ENDED: True})
    try:
        yield
    except Exception:
        note_event(use_case, ended)
        raise
    note_event(use_case, ended)


def note_cancelled(use_case: str) -> None:
    """Note that the retraining under way has ended: a person has cancelled it, so it is not asked for again."""
    with looks_of(use_case) as looks:
        for event in [] if looks is None else looks.events():
            if event.kind == "retraining" and event.figures.get(ENDED) is False:
                note_event(use_case, replace(event, figures=event.figures | {ENDED: True}))


def current_request(use_case: UseCase, address: str) -> Request:
    """Whether a retraining is due now, by what is in the prediction log."""
    served = Store.of(use_case.name).served()
    with looks_of(use_case.name) as looks:
        assert looks is not None
        wanted = None if served is None else looks.wanted(served.digest)
        events = looks.events()
    labels = waiting_labels(use_case, address, Paths(use_case.name).batches)
    return request(use_case.config().retrain, wanted, labels, events, datetime.now(UTC))


def request(limits: Retrain, wanted: Look | None, new_labels: int, events: Sequence[Event], now: datetime) -> Request:
    """`wanted` is a harmful look that was not acted on; `events` come the newest first.

    A retraining that was cut off counts for the budget alone, or else whatever cuts it off would be met without end.
    """
    # Whatever is still to come was noted by a clock that was ahead.
    retrainings = [event for event in events if event.kind == "retraining" and event.at <= now + CLOCKS_APART]
    # Since one that ended: the next try may be cut off, too.
    cut_off = list(takewhile(lambda event: event.figures.get(ENDED) is False, retrainings))
    # What they took is in batches, from which nobody has learned yet.
    new_labels += sum(event.figures["labels"] for event in cut_off)
    asked_by: AskedBy | None = "harm" if wanted is not None else "labels" if new_labels >= limits.min_labels else None
    if asked_by is None:
        return Request()
    begun = [event.at for event in retrainings if event not in cut_off]
    if begun and now < max(begun) + timedelta(hours=limits.cool_down_hours):
        until = max(begun) + timedelta(hours=limits.cool_down_hours)
        return Request(asked_by, f"the last one began at {max(begun):%Y-%m-%d %H:%M} UTC; until {until:%Y-%m-%d %H:%M}")
    week = [
        event.at
        for event in retrainings
        if event.figures.get("asked_by") in OF_MONITOR and now - event.at < timedelta(days=7)
    ]
    if len(week) >= limits.max_per_week:
        return Request(asked_by, f"{len(week)} in the last seven days, of at most {limits.max_per_week}")
    return Request(asked_by)
