"""Whether luck is bounded, however often it is tried."""

from __future__ import annotations

from types import ModuleType

import numpy as np


def test_all_tries_together_stay_within_the_bound(answer: ModuleType) -> None:
    levels = [answer.significance(attempt) for attempt in range(1, 20_001)]
    assert min(levels) > 0
    assert levels == sorted(levels, reverse=True)
    assert sum(levels) <= 0.025


def test_the_first_try_is_no_lottery_ticket(answer: ModuleType) -> None:
    """A rule that saves everything for later finds nothing now."""
    assert answer.significance(1) >= 0.005


def test_no_luck_in_simulated_years_of_retraining(answer: ModuleType) -> None:
    levels = np.array([answer.significance(attempt) for attempt in range(1, 53)])
    p_values = np.random.default_rng(0).uniform(size=(20_000, 52))
    assert (p_values < levels).any(axis=1).mean() < 0.03
