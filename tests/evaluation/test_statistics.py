"""Intervals and tests hold where errors are rare; the exact ones are those of the textbooks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from portfolio.evaluation.statistics import Outcomes, interval, mean_interval, p_value, resampled_means


@pytest.mark.parametrize(("wrong", "rows"), [(0, 266), (1, 272), (5, 100), (50, 100)])
def test_with_two_outcomes_the_interval_is_that_of_clopper_and_pearson(wrong: int, rows: int) -> None:
    values = np.r_[np.zeros(wrong), np.ones(rows - wrong)]
    low, high = mean_interval(Outcomes.of(values), 0, 1)
    right = rows - wrong
    assert low == pytest.approx(beta.ppf(0.025, right, wrong + 1), abs=0.004)
    assert high == pytest.approx(1.0 if wrong == 0 else beta.ppf(0.975, right + 1, wrong), abs=0.004)


def test_no_error_in_few_rows_says_little_about_the_next_ones() -> None:
    """266 of 272 answered without an error, each of which would cost 210 yen: the value may be half of what it was."""
    values = np.r_[np.full(266, 6.0), np.full(6, 4.0)]
    low, high = mean_interval(Outcomes.of(values), -204, 6)
    assert 3.0 < low < 3.25
    assert high == pytest.approx(6, abs=0.05)
    # A bootstrap over rows never draws what it has not seen.
    assert interval(resampled_means(values[:, None])[:, 0])[0] > 5.9


def test_rows_of_one_place_count_as_one() -> None:
    values, places = np.repeat([0.0, 1.0] * 10, 50), np.repeat(np.arange(20), 50)
    alone, together = (mean_interval(Outcomes.of(values, units), 0, 1) for units in (None, places))
    assert together[1] - together[0] > 3 * (alone[1] - alone[0])
    assert together == pytest.approx(mean_interval(Outcomes.of(values[::50]), 0, 1), abs=0.01)


def test_values_that_do_not_differ_are_never_more_than_nothing() -> None:
    """Not by rounding either: exactly equal models must not be told apart."""
    for rows in range(5, 400):
        assert p_value(Outcomes.of(np.zeros(rows)), -210.0) > 0.1


def test_one_better_row_is_luck_and_many_are_not() -> None:
    rows = 400
    p = {
        better: p_value(Outcomes.of(np.r_[np.full(better, 210.0), np.zeros(rows - better)]), -210.0)
        for better in (1, 12)
    }
    assert p[1] == pytest.approx(0.5, abs=0.02)
    # 12 rows that are better and none that is worse: as likely as 12 coins that all fall on one side.
    assert p[12] == pytest.approx(2**-12, rel=0.6)


def test_the_margin_moves_what_has_to_be_beaten() -> None:
    outcomes = Outcomes.of(np.r_[np.full(30, 2.0), np.full(370, 2.1)])
    assert p_value(outcomes, -2.0, at_most=1.0) < 0.001
    assert p_value(outcomes, -2.0, at_most=2.2) > 0.5


@pytest.mark.parametrize(("better", "rows"), [(2, 50), (12, 400), (30, 400)])
def test_the_p_value_is_exact_to_some_per_cent_however_small_it_is(better: int, rows: int) -> None:
    """Of rows that are better by as much as one more could be worse, it is that of so many coins on one side."""
    p = p_value(Outcomes.of(np.r_[np.full(better, 210.0), np.zeros(rows - better)]), -210.0)
    assert p == pytest.approx(2.0**-better, rel=0.06)


def test_the_p_value_is_the_probability_that_the_interval_is_made_of() -> None:
    outcomes = Outcomes.of(np.repeat([0.0, 2.0, -2.0, 210.0, -210.0], [200, 20, 15, 5, 2]))
    means = outcomes.means_with_one_more(-210.0, 200_000, np.random.default_rng(0))
    assert p_value(outcomes, -210.0) == pytest.approx(float((means <= 0).mean()), rel=0.03)


def test_large_units_that_carry_the_losses_are_not_taken_for_small_ones() -> None:
    """Places of very different sizes, no true gain: 5% may be said to gain, and an average place would make it half."""
    random, rejected, simulations = np.random.default_rng(0), 0, 400
    for _ in range(simulations):
        large = random.random(100) < 0.02
        sizes = np.where(large, 50, 1)
        # The large ones lose what the small ones gain, over all.
        values = np.where(large, -98 / 2 / 50 * 1.0, 1.0)
        units = np.repeat(np.arange(100), sizes)
        rejected += p_value(Outcomes.of(np.repeat(values, sizes), units), -1.0) <= 0.05
    assert rejected / simulations < 0.2
