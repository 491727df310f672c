from __future__ import annotations

from datetime import timedelta
from typing import Any

from portfolio.monitoring.looks import Event, Look
from portfolio.monitoring.timeline import timeline
from tests.monitoring.test_looks import START, look


def drifting(days: int, **changes: Any) -> Look:
    drift = [
        {"field": "weight", "summary": "value", "drifted": True},
        {"field": "colour", "summary": "value", "drifted": False},
    ]
    return look(days, figures={"drift": drift}, **changes)


def test_what_follows_from_the_looks_stands_beside_the_events() -> None:
    looks = [
        look(0),
        drifting(1),
        drifting(2, verdict="harmful"),
        drifting(3, verdict="harmful"),
        look(5, digest="e" * 64, model_version=4),
        drifting(6, digest="e" * 64, model_version=4),
    ]
    promoted = Event("promoted", 4, {"yen": 2.0}, at=START + timedelta(days=4))
    moments = timeline(reversed(looks), [promoted])
    assert [(moment.kind, (moment.at - START).days, moment.model_version) for moment in moments] == [
        ("deployed", 0, 3),
        ("drift", 2, 3),
        ("harm", 3, 3),
        ("promoted", 4, 4),
        ("deployed", 5, 4),
        ("drift", 7, 4),
    ]
    assert moments[1].figures == {"fields": ["weight"]}
    assert moments[3].figures == {"yen": 2.0}


def test_the_first_of_the_newest_looks_is_not_taken_for_a_deployment() -> None:
    assert timeline([look(3), look(4)], [], has_earlier=True) == []
