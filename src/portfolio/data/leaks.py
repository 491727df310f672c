"""Columns that give the target away: alone, or together as a sum.

Each row is told by the others, since a column with a value of its own for each row fits any target; or by a few
intervals of a number, which fit none by chance.
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
CUTS = 2
"""A number is cut in two, and each part again: an interval for each of up to four classes."""
MIN_INTERVAL = 5
MIN_OTHERS = 10
"""Of fewer rows outside the most frequent class, an interval may hold all by chance."""
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


def find_leaks(
    columns: Mapping[str, pl.Series],
    target: pl.Series,
    *,
    quantity: bool,
    strengths: Mapping[str, float] | None = None,
) -> list[Leak]:
    """What gives the target away, strongest first.

    `columns` are numbers (any other type is taken as categories); missing values are a value of their own. `quantity`:
    the target is a number, and else a class. `strengths` is what `explained` says of them, if that is known already.
    """
    strengths = explained(columns, target, quantity=quantity) if strengths is None else strengths
    found = [Leak((name,), share) for name, share in strengths.items() if share >= TOLD]
    if quantity:
        alone = {name for leak in found for name in leak.columns}
        numbers = {name: column for name, column in columns.items() if column.dtype.is_numeric()}
        found += _sums({name: column for name, column in numbers.items() if name not in alone}, target)
    return sorted(found, key=lambda leak: -leak.explained)


def explained(columns: Mapping[str, pl.Series], target: pl.Series, *, quantity: bool) -> dict[str, float]:
    """By column, the share of the target that it explains alone, each row being told by the others.

    Of classes: of the errors that one makes who always answers the most frequent one. Of a quantity: of the variance of
    its ranks.
    """
    known = target.is_not_null()
    rows = np.flatnonzero(known.to_numpy())
    if len(rows) < MIN_ROWS:
        return dict.fromkeys(columns, 0.0)
    rows = np.random.default_rng(0).permutation(rows)[:MAX_ROWS]
    wanted = _ranks(target, rows) if quantity else _one_hot(target, rows)
    return {name: _explains(column.gather(rows), wanted, quantity) for name, column in columns.items()}


def _explains(column: pl.Series, wanted: Numbers, quantity: bool) -> float:
    """How well the other rows tell the target of each, in the way that suits the column best; from 0 to 1."""
    before = _error(np.broadcast_to(wanted.mean(axis=0), wanted.shape), wanted, quantity)
    if not before:
        return 0.0
    many = column.dtype.is_numeric() and column.n_unique() > MAX_BINS
    bins = _bins(column, len(column) // ROWS_PER_BIN if many else 0)
    found = [_by_bin(bins, wanted)]
    if not bins.all():
        # Whether there is a value at all may say everything, too.
        found.append(_by_bin(np.minimum(bins, 1), wanted))
    if column.dtype.is_numeric():
        numbers = _numbers(column)
        found.append(_by_neighbours(numbers, wanted))
        if not quantity and wanted.shape[1] <= 2**CUTS and before >= MIN_OTHERS:
            found.append(_by_intervals(numbers, wanted))
    return max(0.0, 1 - min(_error(each, wanted, quantity) for each in found) / before)


def _error(found: Numbers, truth: Numbers, quantity: bool) -> float:
    if quantity:
        return float(((truth - found) ** 2).sum())
    return float((found.argmax(axis=1) != truth.argmax(axis=1)).sum())


def _by_bin(bins: Places, wanted: Numbers) -> Numbers:
    """The mean of the target in the other rows of the same bin; of all rows, if there is no other."""
    others = np.bincount(bins)[bins][:, None] - 1
    sums = np.stack([np.bincount(bins, part)[bins] for part in wanted.T], axis=1) - wanted
    return np.asarray(np.where(others > 0, sums / np.maximum(others, 1), wanted.mean(axis=0)))


def _by_neighbours(numbers: Numbers, wanted: Numbers) -> Numbers:
    """The mean of the target of the two nearest values below and the two above: exact even where it changes fast."""
    order = numbers.argsort(kind="stable")
    padded = np.pad(wanted[order], ((2, 2), (0, 0)))
    # At the ends there are fewer.
    below = np.arange(len(order))
    count = np.minimum(below, 2) + np.minimum(below[::-1], 2)
    found = np.empty_like(wanted)
    found[order] = (padded[:-4] + padded[1:-3] + padded[3:-1] + padded[4:]) / count[:, None]
    return found


def _by_intervals(numbers: Numbers, wanted: Numbers) -> Numbers:
    """The mean of the target in each of a few intervals, which are too few to fit by chance.

    Neighbours err at the limits of a class: of a class of 40 rows, one such row is more than a hundredth.
    """
    order = numbers.argsort(kind="stable")
    found = np.empty_like(wanted)
    found[order] = _in_intervals(numbers[order], wanted[order], CUTS)
    return found


def _in_intervals(numbers: Numbers, wanted: Numbers, cuts: int) -> Numbers:
    """The same for sorted numbers, cut in two so many times."""
    place = _best_cut(numbers, wanted) if cuts else 0
    if not place:
        return np.broadcast_to(wanted.mean(axis=0), wanted.shape)
    sides = (slice(None, place), slice(place, None))
    return np.concatenate([_in_intervals(numbers[side], wanted[side], cuts - 1) for side in sides])


def _best_cut(numbers: Numbers, wanted: Numbers) -> int:
    """Before which of the sorted numbers to cut, so that each side is of one class most; 0 if nowhere."""
    below = np.arange(1, len(numbers))
    sums = wanted.cumsum(axis=0)
    purity = (sums[:-1] ** 2).sum(axis=1) / below
    purity += ((sums[-1] - sums[:-1]) ** 2).sum(axis=1) / (len(numbers) - below)
    allowed = (numbers[1:] != numbers[:-1]) & (np.minimum(below, len(numbers) - below) >= MIN_INTERVAL)
    return int(np.where(allowed, purity, -1).argmax()) + 1 if allowed.any() else 0


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
