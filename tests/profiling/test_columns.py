"""What a column is follows from all of its values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time, timedelta

import polars as pl
import pytest

from portfolio.profiling.columns import profile, profile_column, twins

MANY = 200


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.5, 2.5, 3.5] * 50, "number"),
        (["1", "2"] * 50, "number"),
        (["a", "b"] * 50, "category"),
        ([True, False] * 50, "category"),
        (["01", "13"] * 50, "category"),
        (["x"] * 50, "constant"),
        ([3] * 50, "constant"),
        (["", "NA", "?", "-", " "] * 10, "empty"),
        ([None] * 50, "empty"),
        (list(range(MANY)), "identifier"),
        ([number * 7919 % MANY + 10**7 for number in range(MANY)], "identifier"),
        ([3 * number for number in range(MANY)], "identifier"),
        # Prices in yen, and a file that is sorted by them.
        ([10**7 + 1000 * (number * 7919 % 70_001) for number in range(MANY)], "number"),
        ([1000 + 450 * number for number in range(MANY)], "number"),
        ([f"K{number:04d}" for number in range(MANY)], "identifier"),
        ([f"K{number // 3:04d}" for number in range(3 * MANY)], "code"),
        ([f"a room with a view number {number}" for number in range(MANY)], "text"),
        ([f"駅から近くて静かな部屋でした{number}号" for number in range(MANY)], "text"),
        (["2025-01-31", "2025-02-28"] * 50, "date"),
        (["2025/1/31", "2025/2/28"] * 50, "date"),
        (["2025年1月31日", "2025年2月28日"] * 50, "date"),
        (["31.01.2025", "28.02.2025"] * 50, "date"),
        ([date(2025, 1, 31), date(2025, 2, 28)] * 50, "date"),
        ([20250131, None, 20250228] * 50, "date"),
        (["20250131", "-", "20250228"] * 50, "date"),
        # Some are no days.
        ([20250131, 20250228, 20251345] * 50, "number"),
        ([10250131, 10250228] * 50, "number"),
        ([[1, 2], [3, 4]] * 50, "nested"),
        ([timedelta(minutes=number) for number in range(MANY)], "nested"),
        ([time(number % 24, number % 60) for number in range(MANY)], "code"),
    ],
)
def test_its_kind(values: list[object], kind: str) -> None:
    assert profile_column(pl.Series("x", values)).kind == kind


@pytest.mark.parametrize("word", ["", " ", "NA", "n/a", "?", "-", "NULL", "nan", "None"])
def test_what_stands_for_nothing_is_missing_among_numbers_and_words(word: str) -> None:
    numbers = profile_column(pl.Series("x", ["1.5", "2.5", "3", word] * 25))
    assert (numbers.kind, numbers.missing_share, numbers.missing_words) == ("number", 0.25, ())
    words = profile_column(pl.Series("x", ["a", "b", "c", word] * 25))
    assert (words.kind, words.missing_share, words.values) == ("category", 0.25, ["a", "b", "c"])


def test_a_word_that_comes_again_and_again_among_numbers_is_one_for_missing() -> None:
    found = profile_column(pl.Series("x", [*map(str, range(90)), *["unknown"] * 10]))
    assert (found.kind, found.missing_words) == ("number", ("unknown",))
    assert found.missing_share == pytest.approx(0.1)


def test_a_single_word_among_numbers_is_a_mistake_and_does_not_make_the_rest_missing() -> None:
    found = profile_column(pl.Series("x", [*map(str, range(99)), "12O"]))
    assert (found.kind, found.stray, found.stray_example, found.missing_share) == ("number", 1, "12O", 0)


@pytest.mark.parametrize(
    ("values", "coded"),
    [
        ([*range(20, 60), *[999] * 5] * 3, "999"),
        ([*[age + 0.5 for age in range(20, 60)], *[-9.0] * 5], "-9"),
        # A value among others that are near it, or a single one, is what it says.
        ([*range(90, 105)] * 5, ""),
        ([*range(20, 60), 999], ""),
    ],
)
def test_a_number_far_from_all_others_may_stand_for_missing(values: list[float], coded: str) -> None:
    found = profile_column(pl.Series("x", values))
    assert found.coded == coded
    if coded:
        assert found.minimum is not None
        assert found.maximum is not None
        assert 20 <= found.minimum < found.maximum < 60
        assert found.missing_share > 0


def test_infinity_is_missing_and_its_word_is_declared() -> None:
    found = profile_column(pl.Series("x", [1.0, 2.5, float("inf"), 4.0] * 25))
    assert (found.missing_share, found.missing_words, found.maximum) == (0.25, ("inf",), 4)


def test_a_lost_decimal_point_does_not_widen_the_bounds() -> None:
    found = profile_column(pl.Series("x", [number / 100 for number in range(900, 1400)] + [956_666_666.0]))
    assert (found.far, found.far_example, found.maximum) == (1, 956_666_666, 13.99)


def test_long_tails_are_no_mistakes() -> None:
    prices = [1.02**number for number in range(600)]
    assert profile_column(pl.Series("x", prices)).far == 0
    mostly_nothing = [0.0] * 4000 + [0.05] * 40 + [0.1 * number for number in range(60)] + [12.0]
    assert profile_column(pl.Series("x", mostly_nothing)).far == 0


YEARS = [1920, 1925, 1930, 1935] * 30


@pytest.mark.parametrize(
    ("other", "twin"),
    [
        ([f"season {year}" for year in YEARS], True),
        ([2 * year + 1 for year in YEARS], True),
        ([-year for year in YEARS], True),
        # One value for each, but of another order: a model makes something else of them.
        ([{1920: 9, 1925: 14, 1930: 5, 1935: 10}[year] for year in YEARS], False),
        ([year + (place == 0) for place, year in enumerate(YEARS)], False),
    ],
)
def test_twins_say_the_same(other: Sequence[object], twin: bool) -> None:
    rows = pl.DataFrame({"year": YEARS, "other": other})
    assert twins(rows, profile(rows).values()) == ({"other": "year"} if twin else {})
