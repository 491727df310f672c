"""Harm or enough new labels ask for a retraining; a cool-down and a budget hold it back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from portfolio.contract.config import Retrain
from portfolio.monitoring.events import looks_of
from portfolio.monitoring.looks import Event, Look, Looks
from portfolio.monitoring.retraining import AskedBy, Request, note_cancelled, request, retraining
from tests.workspace import TOY

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LIMITS = Retrain(min_labels=200, cool_down_hours=24, max_per_week=2)
HARM = Look(NOW - timedelta(days=1), NOW, 3, "d" * 64, 100, 50, "harmful", (), {})


def begun(hours: float, asked_by: AskedBy = "harm") -> Event:
    return Event("retraining", figures={"asked_by": asked_by}, at=NOW - timedelta(hours=hours))


@pytest.mark.parametrize(
    ("wanted", "labels", "asked_by"), [(None, 199, None), (None, 200, "labels"), (HARM, 0, "harm"), (HARM, 999, "harm")]
)
def test_harm_or_enough_labels_ask(wanted: Look | None, labels: int, asked_by: AskedBy | None) -> None:
    assert request(LIMITS, wanted, labels, [], NOW) == Request(asked_by)


def test_whoever_started_the_last_one_a_cool_down_follows() -> None:
    held = request(LIMITS, HARM, 0, [begun(23, "person")], NOW)
    assert not held.is_due
    assert held.held == "the last one began at 2026-03-01 10:00 UTC; until 2026-03-02 10:00"
    assert request(LIMITS, HARM, 0, [begun(24, "person")], NOW).is_due
    # A clock that was ahead does not hold it for ever.
    assert request(LIMITS, HARM, 0, [begun(-24 * 365, "person")], NOW).is_due
    # A rollback is none.
    assert request(LIMITS, HARM, 0, [Event("rolled_back", at=NOW)], NOW).is_due


def test_one_that_was_cut_off_is_asked_for_again_until_the_budget_is_used_up() -> None:
    """A kill, or a machine that was switched off: nobody would do it before the cool-down has passed."""

    def cut_off(hours: float, labels: int = 0) -> Event:
        return replace(begun(hours), figures={"asked_by": "harm", "labels": labels, "ended": False})

    assert request(LIMITS, HARM, 0, [cut_off(1)], NOW) == Request("harm")
    # Its labels are in a batch by now, from which nobody has learned.
    assert request(LIMITS, None, 150, [cut_off(1, labels=50)], NOW) == Request("labels")
    assert request(LIMITS, None, 149, [cut_off(1, labels=50)], NOW) == Request()
    held = request(LIMITS, HARM, 0, [cut_off(1), cut_off(2)], NOW)
    assert held.held == "2 in the last seven days, of at most 2"
    # The second try finds no new labels, as the first has made a batch of them.
    often = LIMITS.model_copy(update={"max_per_week": 3})
    assert request(often, None, 0, [cut_off(0.1), cut_off(0.3, labels=300)], NOW) == Request("labels")
    assert request(often, HARM, 0, [cut_off(0.1), cut_off(0.3)], NOW) == Request("harm")
    # The cool-down is that of the last one that ended.
    assert "began at 2026-03-02 08:00" in request(often, HARM, 0, [cut_off(0.1), cut_off(0.3), begun(1)], NOW).held
    # One after it has learned from them, too.
    assert request(LIMITS, None, 150, [begun(30), cut_off(40, labels=50)], NOW) == Request()


def test_how_a_retraining_ended_is_noted_unless_it_was_cut_off(workspace: Path) -> None:
    Looks(f"sqlite:///{workspace / '.state' / 'log' / f'{TOY}.db'}").add_event(Event("promoted", 1))

    def noted() -> list[object]:
        with looks_of(TOY) as looks:
            assert looks is not None
            return [event.figures["ended"] for event in looks.events() if event.kind == "retraining"]

    with retraining(TOY, "harm", 7, NOW):
        assert noted() == [False]
    assert noted() == [True]
    with pytest.raises(ValueError, match="no such"), retraining(TOY, "harm", 7, NOW + timedelta(hours=1)):
        raise ValueError("no such column")
    assert noted() == [True, True]
    # As SIGTERM and Ctrl-C end it.
    with pytest.raises(KeyboardInterrupt), retraining(TOY, "harm", 7, NOW + timedelta(hours=2)):
        raise KeyboardInterrupt
    assert noted() == [False, True, True]
    note_cancelled(TOY)
    assert noted() == [True, True, True]


def test_the_monitor_has_a_budget_and_a_person_has_none() -> None:
    assert request(LIMITS, HARM, 0, [begun(30), begun(60, "person"), begun(90, "schedule")], NOW).is_due
    assert request(LIMITS, HARM, 0, [begun(30), begun(24 * 7, "labels")], NOW).is_due
    held = request(LIMITS, HARM, 0, [begun(30), begun(60, "labels")], NOW)
    assert held.held == "2 in the last seven days, of at most 2"


def test_the_budget_switches_the_monitors_retrainings_off() -> None:
    assert not request(LIMITS.model_copy(update={"max_per_week": 0}), HARM, 999, [], NOW).is_due
