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


RARE = np.arange(2000) < 40
AMOUNTS = np.exp(4 + RANDOM.normal(size=len(RARE)))
RULES: dict[str, Any] = {
    "an amount": np.where(RARE, AMOUNTS, 0),
    "a reason, as a number": np.where(RARE, RANDOM.integers(1, 10, len(RARE)), 0),
    "a reason, as a text": np.where(RARE, np.char.add("R", RANDOM.integers(1, 10, len(RARE)).astype(str)), "-"),
    "a number of its own": [f"N{row}" if rare else None for row, rare in enumerate(RARE)],
    "a correction up or down": np.where(RARE, RANDOM.normal(0, 50, len(RARE)), 0),
    "an amount over a limit": np.sort(AMOUNTS)[::-1],
}


@pytest.mark.parametrize("case", RULES)
def test_what_only_a_rare_class_has_is_found(case: str) -> None:
    for classes in (["no", "yes"], ["yes", "no"]):
        target = pl.Series(np.where(RARE, classes[1], classes[0]))
        found = find_leaks({"x": pl.Series(RULES[case])}, target, quantity=False)
        assert [leak.columns for leak in found] == [("x",)]


def test_what_tells_most_of_a_rare_class_is_a_question() -> None:
    target = pl.Series(np.where(RARE, "yes", "no"))
    honest = {
        "missed in two rows": np.where(np.arange(len(RARE)) < 38, AMOUNTS, 0),
        "there in two others": np.where(np.arange(len(RARE)) < 42, AMOUNTS, 0),
        "far higher": RANDOM.normal(size=len(RARE)) + 4 * RARE,
    }
    shares = explained({name: pl.Series(values) for name, values in honest.items()}, target, quantity=False)
    assert all(0.7 < share < TOLD for share in shares.values()), shares


def test_a_handful_of_rows_of_a_class_is_too_few_to_tell() -> None:
    few = pl.Series(["yes"] * 8 + ["no"] * 200)
    separate = pl.Series(np.sort(RANDOM.normal(size=208))[::-1])
    assert find_leaks({"x": separate}, few, quantity=False) == []


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
