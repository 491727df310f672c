"""What happened to the served model, in order: the events, and what follows from the looks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from portfolio.monitoring.looks import Event, Look


class Moment(NamedTuple):
    """`kind` is that of an event; or `deployed`, `drift` or `harm`, where a look is the first to say so."""

    at: datetime
    kind: str
    model_version: int | None
    figures: dict[str, Any]


def timeline(looks: Iterable[Look], events: Iterable[Event], *, has_earlier: bool = False) -> list[Moment]:
    """The oldest first. `has_earlier`: there are older looks too, so that the first one is not a version's first."""
    moments = [Moment(event.at, event.kind, event.model_version, event.figures) for event in events]
    before: dict[str, Look] = {}
    for look in sorted(looks, key=lambda look: look.looked_at):
        last = before.get(look.digest)
        if last is None and (before or not has_earlier):
            moments.append(Moment(look.start, "deployed", look.model_version, {}))
        drifted = drifted_fields(look)
        if drifted and not (last and drifted_fields(last)):
            moments.append(Moment(look.end, "drift", look.model_version, {"fields": drifted}))
        if look.verdict == "harmful" and not (last and last.verdict == "harmful"):
            moments.append(Moment(look.end, "harm", look.model_version, {"finding": look.reasons[0].finding}))
        before[look.digest] = look
    return sorted(moments, key=lambda moment: moment.at)


def drifted_fields(look: Look) -> list[str]:
    """The inputs and outputs whose distribution was found to have moved, each once."""
    return list(dict.fromkeys(found["field"] for found in look.figures.get("drift", ()) if found.get("drifted")))
