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
MAX_BINS = 64
"""A column of more different numbers has parts of the rows as bins."""
ROWS_PER_BIN = 16
MIN_ROWS = 40
TOLD = 0.99
"""From this share of the target on that a column explains alone, it is taken to give the target away."""
SUM = 0.9999
"""The same for numbers that explain a quantity together, as parts explain their sum."""
STRONG = 0.8
"""From here on a column is worth a question: was it known when the prediction was needed?"""

Numbers = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


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
    if quantity:
        alone = {name for leak in found for name in leak.columns}
        numbers = {name: column for name, column in columns.items() if column.dtype.is_numeric()}
        found += _sums({name: column for name, column in numbers.items() if name not in alone}, target)
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
    return {name: _explains(column.gather(rows), wanted, half, quantity) for name, column in columns.items()}


def _explains(column: pl.Series, wanted: Numbers, half: int, quantity: bool) -> float:
    """How well one half of the rows tells the target of the other, both ways; from 0 to 1."""
    left = before = 0.0
    many = column.dtype.is_numeric() and column.n_unique() > MAX_BINS
    numbers = _numbers(column) if many else None
    bins = _bins(column, len(column) // ROWS_PER_BIN if many else 0)
    for seen, other in ((slice(None, half), slice(half, None)), (slice(half, None), slice(None, half))):
        mean = wanted[seen].mean(axis=0)
        before += _error(np.broadcast_to(mean, wanted[other].shape), wanted[other], quantity)
        errors = [_error(_by_bin(bins, wanted, seen, other, mean), wanted[other], quantity)]
        if numbers is not None:
            errors.append(_error(_by_neighbours(numbers, wanted, seen, other), wanted[other], quantity))
        left += min(errors)
    return max(0.0, 1 - left / before) if before else 0.0


def _error(found: Numbers, truth: Numbers, quantity: bool) -> float:
    if quantity:
        return float(((truth - found) ** 2).sum())
    return float((found.argmax(axis=1) != truth.argmax(axis=1)).sum())


def _by_bin(bins: Places, wanted: Numbers, seen: slice, other: slice, mean: Numbers) -> Numbers:
    """The mean of the target in the same bin; of all, if none of it was seen."""
    count = np.bincount(bins[seen], minlength=bins.max() + 1)[:, None]
    sums = np.stack([np.bincount(bins[seen], part, minlength=len(count)) for part in wanted[seen].T], axis=1)
    return np.asarray(np.where(count > 0, sums / np.maximum(count, 1), mean)[bins[other]])


def _by_neighbours(numbers: Numbers, wanted: Numbers, seen: slice, other: slice) -> Numbers:
    """The mean of the target of the two nearest values below and the two above: exact even where it changes fast."""
    order = numbers[seen].argsort(kind="stable")
    places = np.searchsorted(numbers[seen][order], numbers[other])[:, None] + np.arange(-2, 2)
    return np.asarray(wanted[seen][order[places.clip(0, len(order) - 1)]].mean(axis=1))


def _numbers(column: pl.Series) -> Numbers:
    """Float64 [rows]; missing values are the greatest."""
    return np.asarray(column.cast(pl.Float64).fill_nan(None).fill_null(np.inf).to_numpy(), dtype=np.float64)


def _bins(column: pl.Series, bins: int) -> Places:
    """Small numbers for the values, 0 for missing ones: one for each value, or for so many parts of the rows."""
    if column.dtype.is_numeric():
        column = column.cast(pl.Float64).fill_nan(None)
    if bins:
        column = (column.rank("average") / len(column) * min(MAX_BINS, bins)).cast(pl.Int64)
    return column.rank("dense").cast(pl.Int64).fill_null(0).to_numpy()


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
