from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from portfolio.monitoring.looks import Event, Look, Looks, Reason
from portfolio.monitoring.prediction_log.log import PredictionLog

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def looks(tmp_path: Path) -> Looks:
    return Looks(f"sqlite:///{tmp_path / 'log.db'}")


def look(days: int, **changes: object) -> Look:
    made = Look(
        start=START + timedelta(days=days),
        end=START + timedelta(days=days + 1),
        model_version=3,
        digest="d" * 64,
        rows=100,
        labels=5,
        verdict="healthy",
        reasons=(Reason("as_promised", {"yen": 1.5}),),
        figures={"state": {"evidence": [0.5]}},
        looked_at=START + timedelta(days=days + 1),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_look_is_read_as_it_was_written(looks: Looks) -> None:
    one, two = look(0), look(1, digest="e" * 64)
    looks.add(one)
    looks.add(two)
    assert looks.last(5) == [two, one]
    assert looks.last(5, digest="d" * 64) == [one]


def test_only_harm_asks_for_retraining_until_it_is_acted_on(looks: Looks) -> None:
    for days, verdict in enumerate(("healthy", "warn", "insufficient_data")):
        looks.add(look(days, verdict=verdict))
    served = look(0).digest
    assert looks.wanted(served) is None
    harmful = look(3, verdict="harmful")
    looks.add(harmful)
    looks.add(look(4))
    assert looks.wanted(served) == harmful
    # What its successor is served for.
    assert looks.wanted("e" * 64) is None
    # A run that had begun before knew nothing of it.
    looks.act(START)
    assert looks.wanted(served) == harmful
    acted = harmful.looked_at + timedelta(hours=1)
    looks.act(acted)
    assert looks.wanted(served) is None
    assert [found.acted_at for found in looks.last(2)] == [None, acted]


def test_old_looks_are_deleted_but_for_those_that_the_next_goes_on_from(looks: Looks, tmp_path: Path) -> None:
    """One every ten minutes: without end they would fill the disk."""
    of_one = [look(days) for days in range(4)]
    of_another = [look(days, digest="e" * 64, look_id=f"another {days}") for days in range(2)]
    looks.add(*of_one, *of_another)
    log = PredictionLog(f"sqlite:///{tmp_path / 'log.db'}")
    log.prune(of_one[2].looked_at, labelled=False)
    log.close()
    assert looks.last(9, "d" * 64) == [of_one[3], of_one[2]]
    assert looks.last(9, "e" * 64) == [of_another[1]]


def test_events_come_newest_first(looks: Looks) -> None:
    first, second = Event("promoted", 3, {"yen": 2.0}, at=START), Event("rolled_back", 2, at=START + timedelta(hours=1))
    looks.add_event(first)
    looks.add_event(second)
    assert looks.events() == [second, first]
    assert looks.events(1) == [second]
