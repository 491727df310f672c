"""Integers that stand for something else: the target does not rise or fall with them, but differs between them."""

from __future__ import annotations

import numpy as np
import polars as pl

from portfolio.profiling.columns import Column

FEWEST, MOST = 3, 12
"""Of two values, a line says all; with more than a dozen, a number is more likely to be counted or measured."""
ROWS_PER_VALUE = 20
GAIN = 0.02
"""The share of the target's variance that the values must tell beyond a line."""


def is_code(column: Column, values: pl.Series, target: pl.Series, *, quantity: bool) -> bool:
    """Whether the integers of a column are better taken as categories, such as 1 to 4 for the seasons.

    `values` are its numbers, null where missing; `target` has numbers or labels.
    """
    if column.kind != "number" or not column.integer or not FEWEST <= column.distinct <= MOST:
        return False
    rows = pl.DataFrame({"value": values.cast(pl.Float64), "target": target}).drop_nulls()
    if len(rows) < ROWS_PER_VALUE * column.distinct:
        return False
    x = rows["value"].to_numpy()
    if quantity:
        y = rows["target"].cast(pl.Float64).rank("average").to_numpy()[:, None]
    else:
        labels = rows["target"].cast(pl.String).rank("dense").cast(pl.Int64).to_numpy() - 1
        y = np.eye(int(labels.max()) + 1)[labels]
    x, y = x - x.mean(), y - y.mean(axis=0)
    total = (y**2).sum()
    if not x.any() or not total:
        return False
    line = ((x @ y) ** 2).sum() / (x @ x) / total
    between = (
        sum(len(part) * (part.mean(axis=0) ** 2).sum() for part in (y[x == value] for value in np.unique(x))) / total
    )
    # Means of groups tell something by chance too: about the same in each.
    chance = (column.distinct - 2) / len(rows)
    gain = between - line - 3 * chance
    return bool(gain >= GAIN and gain >= 0.5 * line)
