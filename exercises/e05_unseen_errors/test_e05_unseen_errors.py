"""Whether so few errors are just possible at that rate."""

from __future__ import annotations

from types import ModuleType

import pytest
from scipy.stats import binom


@pytest.mark.parametrize(("errors", "rows"), [(0, 100), (0, 272), (2, 272), (5, 20), (19, 20)])
def test_so_few_errors_have_a_probability_of_a_fortieth(answer: ModuleType, errors: int, rows: int) -> None:
    found = answer.highest_error_rate(errors, rows)
    assert errors / rows < found < 1
    assert binom.cdf(errors, rows, found) == pytest.approx(0.025, rel=0.01)


def test_where_all_are_wrong_any_rate_is_possible(answer: ModuleType) -> None:
    assert answer.highest_error_rate(20, 20) == 1
