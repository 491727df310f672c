"""Columns that give the target away: alone, or together as a sum.

Measured on rows that the measure has not seen, since a column with a value of its own for each row fits any target.
NumPy and Polars only: it takes a fraction of the time in which scikit-learn is imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

MAX_ROWS = 50_000
"""Rows that are looked at: with as many, shares are known to half a percent and better."""
BINS = 256
MIN_ROWS = 40
TOLD = 0.99
"""From this share of the target on that a column explains alone, it is taken to give the target away."""
SUM = 0.9999
"""The same for numbers that explain a quantity together, as parts explain their sum."""
STRONG = 0.8
"""From here on a column is worth a question: was it known when the prediction was needed?"""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Leak:
    """`columns` explain the share `explained` of the target."""

    columns: tuple[str, ...]
    explained: float

    def __str__(self) -> str:
        names = " and ".join(f"'{name}'" for name in self.columns)
        alone = "alone tells" if len(self.columns) == 1 else "together tell"
        return f"{names} {alone} {self.explained:.1%} of the target"


def find_leaks(columns: Mapping[str, pl.Series], target: pl.Series, *, quantity: bool) -> list[Leak]:
    """What gives the target away, strongest first.

    `columns` are numbers (any other type is taken as categories); missing values are a value of their own. `quantity`:
    the target is a number, and else a class.
    """
    strengths = explained(columns, target, quantity=quantity)
    found = [Leak((name,), share) for name, share in strengths.items() if share >= TOLD]
    if quantity and not found:
        found = _sums({name: column for name, column in columns.items() if column.dtype.is_numeric()}, target)
    return sorted(found, key=lambda leak: -leak.explained)


def explained(columns: Mapping[str, pl.Series], target: pl.Series, *, quantity: bool) -> dict[str, float]:
    """By column, the share of the target that it explains alone, on rows that were not used to see how.

    Of classes: of the errors that one makes who always answers the most frequent one. Of a quantity: of its variance.
    """
    known = target.is_not_null()
    rows = np.flatnonzero(known.to_numpy())
    if len(rows) < MIN_ROWS:
        return dict.fromkeys(columns, 0.0)
    random = np.random.default_rng(0)
    rows = random.permutation(rows)[:MAX_ROWS]
    half = len(rows) // 2
    wanted = _standardized(target, rows) if quantity else _one_hot(target, rows)
    return {name: _explains(_bins(column, rows), wanted, half, quantity) for name, column in columns.items()}


def _explains(bins: npt.NDArray[np.int64], wanted: Numbers, half: int, quantity: bool) -> float:
    """How well the mean of the target in the same bin of one half fits the other half, both ways; from 0 to 1."""
    left = before = 0.0
    for seen, other in ((slice(None, half), slice(half, None)), (slice(half, None), slice(None, half))):
        count = np.bincount(bins[seen], minlength=bins.max() + 1)[:, None]
        mean = wanted[seen].mean(axis=0)
        sums = np.stack([np.bincount(bins[seen], part, minlength=len(count)) for part in wanted[seen].T], axis=1)
        # A bin that was not seen has the mean of all.
        found = np.where(count > 0, sums / np.maximum(count, 1), mean)[bins[other]]
        if quantity:
            left += float(((wanted[other] - found) ** 2).sum())
            before += float(((wanted[other] - mean) ** 2).sum())
        else:
            truth = wanted[other].argmax(axis=1)
            left += float((found.argmax(axis=1) != truth).sum())
            before += float((mean.argmax() != truth).sum())
    return max(0.0, 1 - left / before) if before else 0.0


def _bins(column: pl.Series, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Small numbers for the values: of categories and of few numbers, one each; else for as many rows each."""
    values = column.gather(rows)
    if values.dtype.is_numeric():
        values = values.cast(pl.Float64).fill_nan(None)
        if values.n_unique() > BINS:
            ranks = values.rank("dense").cast(pl.Float64)
            places = (values.rank("average") / len(values) * BINS).cast(pl.Int64)
            values = pl.select(pl.when(ranks.is_not_null()).then(places)).to_series()
    return values.rank("dense").cast(pl.Int64).fill_null(0).to_numpy()


def _one_hot(target: pl.Series, rows: npt.NDArray[np.int64]) -> Numbers:
    codes = target.gather(rows).cast(pl.String).rank("dense").cast(pl.Int64).to_numpy() - 1
    return np.asarray(np.eye(int(codes.max()) + 1)[codes])


def _standardized(values: pl.Series, rows: npt.NDArray[np.int64]) -> Numbers:
    """Float64 [rows, 1], of mean 0 and deviation 1; what is missing is the mean."""
    found = values.gather(rows).cast(pl.Float64).fill_nan(None)
    mean, deviation = found.mean(), found.std()
    scaled = (found - mean) / (deviation or 1.0)
    return np.asarray(scaled.fill_null(0.0).to_numpy(), dtype=np.float64).reshape(-1, 1)


def _sums(columns: Mapping[str, pl.Series], target: pl.Series) -> list[Leak]:
    """The fewest numbers that a quantity is a weighted sum of, if it is one."""
    rows = np.flatnonzero(target.is_not_null().to_numpy())[:MAX_ROWS]
    if len(rows) < MIN_ROWS + 2 * len(columns) or not columns:
        return []
    wanted = _standardized(target, rows)
    by_name = {name: _standardized(column, rows) for name, column in columns.items()}
    names: Sequence[str] = list(by_name)
    share = _linear(by_name, names, wanted)
    if share < SUM:
        return []
    for name in by_name:
        fewer = [other for other in names if other != name]
        without = _linear(by_name, fewer, wanted) if fewer else 0.0
        if without >= SUM:
            names, share = fewer, without
    return [Leak(tuple(names), share)]


def _linear(columns: Mapping[str, Numbers], names: Sequence[str], wanted: Numbers) -> float:
    """The share of the variance of the second half that least squares on the first half explain."""
    features = np.hstack([columns[name] for name in names])
    half = len(features) // 2
    weights, *_ = np.linalg.lstsq(features[:half], wanted[:half], rcond=None)
    left = wanted[half:] - features[half:] @ weights
    return float(1 - (left**2).sum() / (wanted[half:] ** 2).sum()) if (wanted[half:] ** 2).any() else 0.0
