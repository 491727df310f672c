"""Of candidates with given values: which is registered, and why."""

import numpy as np
import pytest

from portfolio.evaluation.comparison import choose, expected_value

BY_SIZE = ["tiny", "small", "large"]


@pytest.mark.parametrize(("prefer", "chosen"), [("best", "large"), ("simplest", "small")])
def test_the_simplest_within_noise_is_taken_where_the_config_prefers_it(prefer: str, chosen: str) -> None:
    found, why = choose(BY_SIZE, "large", ["small"], prefer)
    assert found == chosen
    assert "within noise of" in why


def test_the_best_is_taken_where_nothing_is_within_noise_of_it() -> None:
    assert choose(BY_SIZE, "tiny", [], "simplest") == ("tiny", "it is worth the most, by more than noise")


def test_no_error_in_few_rows_is_not_an_error_rate_of_zero() -> None:
    """Answering 10 rows without an error is expected to be worth less than answering 1,000, and less than it was."""
    few, many = (expected_value(np.full(rows, 6.0), np.ones(rows, dtype=bool), -204.0) for rows in (10, 1000))
    assert few < many < 6
    # One more row, wrong with probability 1/2.
    assert few == pytest.approx((10 * 6 - 0.5 * 204 + 0.5 * 6) / 11)


def test_where_a_person_answers_all_nothing_is_unsure() -> None:
    assert expected_value(np.full(10, 4.0), np.zeros(10, dtype=bool), -204.0) == 4
