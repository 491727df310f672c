"""Harm or enough new labels ask for a retraining; a cool-down and a budget hold it back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portfolio.contract.config import Retrain
from portfolio.monitoring.looks import Event, Look
from portfolio.monitoring.retraining import AskedBy, Request, request

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
    # A rollback is none.
    assert request(LIMITS, HARM, 0, [Event("rolled_back", at=NOW)], NOW).is_due


def test_the_monitor_has_a_budget_and_a_person_has_none() -> None:
    assert request(LIMITS, HARM, 0, [begun(30), begun(60, "person"), begun(90, "schedule")], NOW).is_due
    assert request(LIMITS, HARM, 0, [begun(30), begun(24 * 7, "labels")], NOW).is_due
    held = request(LIMITS, HARM, 0, [begun(30), begun(60, "labels")], NOW)
    assert held.held == "2 in the last seven days, of at most 2"


def test_the_budget_switches_the_monitors_retrainings_off() -> None:
    assert not request(LIMITS.model_copy(update={"max_per_week": 0}), HARM, 999, [], NOW).is_due
