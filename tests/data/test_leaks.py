"""Columns that give the target away are found, and those that are merely good are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from portfolio.data.leaks import STRONG, TOLD, explained, find_leaks

RANDOM = np.random.default_rng(0)
ROWS = 4000
NUMBERS = RANDOM.normal(size=ROWS)
HEAVY = np.exp(2 * RANDOM.normal(size=ROWS))
CLASSES = RANDOM.choice(["a", "b"], ROWS)


def flipped(share: float) -> list[str]:
    other = {"a": "b", "b": "a"}
    return [
        other[label] if chance < share else label for label, chance in zip(CLASSES, RANDOM.random(ROWS), strict=True)
    ]


LEAKS: dict[str, tuple[Any, Any, bool]] = {
    "the class under other names": ([{"a": "won", "b": "lost"}[label] for label in CLASSES], CLASSES, False),
    "a number of which the class is a threshold": (NUMBERS, np.where(NUMBERS > 0.5, "high", "low"), False),
    "missing for one class": ([1.0 if label == "a" else None for label in CLASSES], CLASSES, False),
    "the quantity in another unit": (NUMBERS * 1.8 + 32, NUMBERS, True),
    "a curve of the quantity": (np.exp(-NUMBERS), NUMBERS, True),
    "the quantity with 1% noise": (NUMBERS + 0.01 * RANDOM.normal(size=ROWS), NUMBERS, True),
    "of a quantity with a long tail": (HEAVY * (1 + 0.01 * RANDOM.normal(size=ROWS)), HEAVY, True),
}


@pytest.mark.parametrize("case", LEAKS)
def test_a_leak_is_found(case: str) -> None:
    column, target, quantity = LEAKS[case]
    for rows in (1000, ROWS):
        found = find_leaks({"x": pl.Series(column)[:rows]}, pl.Series(target)[:rows], quantity=quantity)
        assert [leak.columns for leak in found] == [("x",)], rows


HONEST: dict[str, tuple[Any, Any, bool]] = {
    "unrelated numbers": (RANDOM.normal(size=ROWS), CLASSES, False),
    "a value of its own for each row": ([f"K{number}" for number in range(ROWS)], CLASSES, False),
    "a code of many values": ([f"K{number}" for number in RANDOM.integers(0, 500, ROWS)], CLASSES, False),
    "right in 98% of the rows": (flipped(0.02), CLASSES, False),
    "95% of the variance": (NUMBERS + 0.23 * RANDOM.normal(size=ROWS), NUMBERS, True),
}


@pytest.mark.parametrize("case", HONEST)
def test_an_honest_column_is_none(case: str) -> None:
    column, target, quantity = HONEST[case]
    assert find_leaks({"x": pl.Series(column)}, pl.Series(target), quantity=quantity) == []


def test_a_class_with_a_hundredth_of_the_labels_changed_is_a_question() -> None:
    share = explained({"x": pl.Series(flipped(0.01))}, pl.Series(CLASSES), quantity=False)["x"]
    assert STRONG < share < TOLD


def test_parts_of_a_sum_are_found_together_and_no_other_column() -> None:
    columns = {name: pl.Series(RANDOM.normal(size=ROWS)) for name in ("one", "two", "other")}
    total = columns["one"] + 2 * columns["two"] + 5
    assert [sorted(leak.columns) for leak in find_leaks(columns, total, quantity=True)] == [["one", "two"]]
    columns["copy"] = total * 1.1
    assert sorted(len(leak.columns) for leak in find_leaks(columns, total, quantity=True)) == [1, 2]
    del columns["copy"]
    with_noise = total + 0.5 * pl.Series(RANDOM.normal(size=ROWS))
    assert find_leaks(columns, with_noise, quantity=True) == []


def test_too_few_rows_tell_nothing() -> None:
    assert find_leaks({"x": pl.Series(CLASSES[:30])}, pl.Series(CLASSES[:30]), quantity=False) == []


def test_rows_without_a_target_are_left_out() -> None:
    target = pl.Series([None, *CLASSES[1:]])
    assert [leak.columns for leak in find_leaks({"x": target}, target, quantity=False)] == [("x",)]
