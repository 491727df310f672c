"""How often a column is taken to give the target away: one that does, more or less exactly, and an honest one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from portfolio.data.leaks import find_leaks

Column = npt.NDArray[np.generic]
Maker = Callable[[np.random.Generator, int], tuple[Column, Column]]


def copied_class(share: float, noise: float) -> Maker:
    """Two classes, the rarer one of that share, under other names; some of the labels are changed."""

    def make(random: np.random.Generator, rows: int) -> tuple[Column, Column]:
        target = random.random(rows) < share
        changed = random.random(rows) < noise
        return np.where(target ^ changed, "paid", "open"), np.where(target, "yes", "no")

    return make


def threshold(random: np.random.Generator, rows: int) -> tuple[Column, Column]:
    """A number of which the class is a part."""
    column = random.normal(size=rows)
    return column, np.where(column > 0.5, "high", "low")


def copied_quantity(noise: float) -> Maker:
    """A quantity with a long tail, times a number, give or take that share."""

    def make(random: np.random.Generator, rows: int) -> tuple[Column, Column]:
        target = np.exp(random.normal(size=rows))
        return 3 * target * (1 + noise * random.normal(size=rows)), target

    return make


def odour(random: np.random.Generator, rows: int) -> tuple[Column, Column]:
    """Mushrooms: any smell tells whether one is poisonous, and without a smell 3% are. It explains 97%."""
    poisonous = random.random(rows) < 0.482
    none = random.random(rows) < np.where(poisonous, 0.031, 0.81)
    return np.where(none, "none", np.where(poisonous, "foul", "almond")), np.where(poisonous, "yes", "no")


def unrelated_code(random: np.random.Generator, rows: int) -> tuple[Column, Column]:
    """A code that three rows share."""
    codes = np.char.add("K", random.integers(0, rows // 3, rows).astype(str))
    return codes, np.where(random.random(rows) < 0.5, "yes", "no")


GIVEN_AWAY: dict[str, tuple[Maker, bool]] = {
    "the class under other names": (copied_class(0.3, 0), False),
    "the class, 1% of the labels changed": (copied_class(0.3, 0.01), False),
    "a number of which the class is a part": (threshold, False),
    "the quantity in another unit": (copied_quantity(0), True),
    "the quantity, give or take 1%": (copied_quantity(0.01), True),
}
HONEST: dict[str, tuple[Maker, bool]] = {
    "the odour of mushrooms": (odour, False),
    "the quantity, give or take 20%": (copied_quantity(0.2), True),
    "a code that three rows share": (unrelated_code, False),
}


def found_share(maker: Maker, quantity: bool, rows: int, tries: int) -> float:
    """In which share of so many data sets the column is taken to give the target away."""
    random = np.random.default_rng(0)
    found: Sequence[bool] = [
        bool(find_leaks({"column": pl.Series(column)}, pl.Series(target), quantity=quantity))
        for column, target in (maker(random, rows) for _ in range(tries))
    ]
    return sum(found) / tries
