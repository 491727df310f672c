"""What happens to the served model is noted beside its prediction log, for the operator's page."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from portfolio.core.environment import state_folder
from portfolio.monitoring.looks import Event, Looks
from portfolio.monitoring.prediction_log.address import log_address


@contextmanager
def looks_of(use_case: str) -> Iterator[Looks | None]:
    """The looks and events of a use case; None if no server has made a prediction log yet."""
    address = log_address(use_case)
    if address is None:
        yield None
        return
    looks = Looks(address)
    try:
        yield looks
    finally:
        looks.close()


def note_event(use_case: str, event: Event) -> None:
    """Add an event, or write it anew, if there is a prediction log. What happened stands, even if that can't be."""
    try:
        with looks_of(use_case) as looks:
            if looks is not None:
                looks.add_event(event)
    except SQLAlchemyError as error:
        print(
            f"warning: the event '{event.kind}' can't be noted in the prediction log of '{use_case}' ({error}); see "
            f"{state_folder() / 'log'}",
            file=sys.stderr,
        )
