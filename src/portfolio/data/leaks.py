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
MAX_BINS = 1024
ROWS_PER_BIN = 8
MIN_BINS = {True: 32, False: 16}
"""For a quantity, which changes within a bin too, and for classes."""
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

    Of classes: of the errors that one makes who always answers the most frequent one. Of a quantity: of the variance of
    its ranks.
    """
    known = target.is_not_null()
    rows = np.flatnonzero(known.to_numpy())
    if len(rows) < MIN_ROWS:
        return dict.fromkeys(columns, 0.0)
    random = np.random.default_rng(0)
    rows = random.permutation(rows)[:MAX_ROWS]
    half = len(rows) // 2
    wanted = _ranks(target, rows) if quantity else _one_hot(target, rows)
    return {
        name: _explains(
            _bins(column, rows, MIN_BINS[quantity]), wanted, half, quantity, ordered=column.dtype.is_numeric()
        )
        for name, column in columns.items()
    }


def _explains(bins: npt.NDArray[np.int64], wanted: Numbers, half: int, quantity: bool, *, ordered: bool) -> float:
    """How well the mean of the target in the same bin of one half fits the other half, both ways; from 0 to 1."""
    left = before = 0.0
    for seen, other in ((slice(None, half), slice(half, None)), (slice(half, None), slice(None, half))):
        count = np.bincount(bins[seen], minlength=bins.max() + 1)[:, None]
        mean = wanted[seen].mean(axis=0)
        sums = np.stack([np.bincount(bins[seen], part, minlength=len(count)) for part in wanted[seen].T], axis=1)
        # A bin that was not seen has the mean of all, or of the next one if there is an order.
        means = np.where(count > 0, sums / np.maximum(count, 1), mean)
        if ordered:
            means[1:] = means[1:][_nearest(count[1:, 0] > 0)]
        found = means[bins[other]]
        if quantity:
            left += float(((wanted[other] - found) ** 2).sum())
            before += float(((wanted[other] - mean) ** 2).sum())
        else:
            truth = wanted[other].argmax(axis=1)
            left += float((found.argmax(axis=1) != truth).sum())
            before += float((mean.argmax() != truth).sum())
    return max(0.0, 1 - left / before) if before else 0.0


def _nearest(seen: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """For each place the nearest one that was seen, int64 [places]; each its own if none was."""
    places = np.flatnonzero(seen)
    if not len(places):
        return np.arange(len(seen))
    after = np.searchsorted(places, np.arange(len(seen))).clip(max=len(places) - 1)
    before = (after - 1).clip(min=0)
    everywhere = np.arange(len(seen))
    nearer = np.abs(places[before] - everywhere) <= np.abs(places[after] - everywhere)
    return np.asarray(np.where(nearer, places[before], places[after]))


def _bins(column: pl.Series, rows: npt.NDArray[np.int64], least: int) -> npt.NDArray[np.int64]:
    """Small numbers for the values, in their order; 0 for missing ones.

    Of categories and of few numbers, one each; of more numbers, `least` or more, of ROWS_PER_BIN rows.
    """
    values = column.gather(rows)
    if values.dtype.is_numeric():
        values = values.cast(pl.Float64).fill_nan(None)
        bins = max(least, min(MAX_BINS, len(values) // ROWS_PER_BIN))
        if values.n_unique() > bins:
            values = (values.rank("average") / len(values) * bins).cast(pl.Int64)
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


def _ranks(values: pl.Series, rows: npt.NDArray[np.int64]) -> Numbers:
    """Float64 [rows, 1] from 0 to 1: of a price or a population, the few greatest would decide alone otherwise."""
    ranks = values.gather(rows).cast(pl.Float64).rank("average") / len(rows)
    return np.asarray(ranks.to_numpy(), dtype=np.float64).reshape(-1, 1)


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
