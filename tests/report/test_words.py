"""Figures as people read them."""

from __future__ import annotations

import pytest

from portfolio.report.words import number, percent, spread, yen


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.12345, "0.1235"),
        (1234.6, "1,235"),
        (0.99997, "0.99997"),
        (0.999998, "0.999998"),
        (1 - 3e-8, "1"),
        (-1500, "-1,500"),
        (5.551e-16, "0"),
        (-2.22e-15, "0"),
        (1e-7, "1e-07"),
    ],
)
def test_a_number_has_four_figures_and_what_is_under_1_stays_there(value: float, shown: str) -> None:
    assert number(value) == shown


def test_yen_shares_and_spreads() -> None:
    assert yen(-1234.4) == "\N{MINUS SIGN}1,234"
    assert percent(0.0789) == "7.9%"
    assert spread([1, 2, 6]) == "2 (1 \N{EN DASH} 6)"
