"""A first honest baseline: a linear model by least squares, cross-validated.

In NumPy, since importing scikit-learn takes longer than everything else that happens here: one Gram matrix serves all
folds, for each of which its own part is taken away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from zlib import crc32

import numpy as np
import numpy.typing as npt
import polars as pl

from portfolio.core.hashing import uniform

FOLDS = 5
MAX_ROWS = 20_000
MAX_WIDTH = 400
PENALTY = 1.0

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Baseline:
    """Of a class: the share of right answers. Of a quantity: the mean absolute error."""

    linear: float
    constant: float
    """The same of always answering the most frequent class of these rows, or the median of the other folds."""
    rows: int


def baseline(
    numbers: Sequence[pl.Series],
    categories: Sequence[pl.Series],
    texts: Sequence[pl.Series],
    target: pl.Series,
    *,
    quantity: bool,
    groups: pl.DataFrame | None = None,
) -> Baseline | None:
    """A linear model of the inputs by cross-validation; None where there are too few rows, or groups, or no inputs.

    `groups` has what rows share that belong together: they are in the same fold.
    """
    rows = _chosen(target)
    parts = ([column.gather(rows) for column in columns] for columns in (numbers, categories, texts))
    features = _features(*parts)
    if len(rows) < 10 * FOLDS or features.shape[1] < 2:
        return None
    target = target.gather(rows)
    named = pl.DataFrame({"row": rows}) if groups is None else groups[rows]
    folds = np.floor(uniform(named, salt="baseline") * FOLDS).astype(int)
    if folds.min() == folds.max():
        return None
    if quantity:
        values = target.cast(pl.Float64).to_numpy()
        wanted = values[:, None]
    else:
        codes = target.cast(pl.String).rank("dense").cast(pl.Int64).to_numpy() - 1
        wanted = np.eye(int(codes.max()) + 1)[codes]
    gram, moments = features.T @ features, features.T @ wanted
    penalty = PENALTY * np.eye(len(gram))
    penalty[0, 0] = 0  # not of the intercept
    linear = constant = 0.0
    if not quantity:
        constant = float(wanted.sum(axis=0).max())
    for fold in range(FOLDS):
        out = folds == fold
        if not out.any():
            continue
        part, truth = features[out], wanted[out]
        found = part @ np.linalg.solve(gram - part.T @ part + penalty, moments - part.T @ truth)
        if quantity:
            linear += float(np.abs(found - truth).sum())
            constant += float(np.abs(np.median(wanted[~out]) - truth).sum())
        else:
            linear += float((found.argmax(axis=1) == truth.argmax(axis=1)).sum())
    return Baseline(linear / len(rows), constant / len(rows), len(rows))


def _chosen(target: pl.Series) -> npt.NDArray[np.int64]:
    """Rows with a target: all, or so many that each class has the same share of them."""
    known = np.random.default_rng(0).permutation(np.flatnonzero(target.is_not_null().to_numpy()))
    if len(known) <= MAX_ROWS:
        return known
    order = target.gather(known).rank("dense").to_numpy().argsort(kind="stable")
    return np.asarray(known[order[np.linspace(0, len(known) - 1, MAX_ROWS).astype(int)]])


def _features(numbers: Sequence[pl.Series], categories: Sequence[pl.Series], texts: Sequence[pl.Series]) -> Numbers:
    """An intercept, numbers of mean 0 and deviation 1 (missing ones are 0, and marked), and a column a category.

    Of texts, which pairs of characters they have, of which several share a column.
    """
    length = len([*numbers, *categories, *texts][0]) if numbers or categories or texts else 0
    parts = [np.ones((length, 1))]
    for column in numbers:
        values = column.cast(pl.Float64, strict=False).fill_nan(None)
        scaled = (values - values.mean()) / (values.std() or 1.0)
        parts.append(scaled.fill_null(0.0).to_numpy().reshape(-1, 1))
        if values.null_count():
            parts.append(values.is_null().to_numpy().astype(float).reshape(-1, 1))
    for column in categories:
        codes = column.cast(pl.String).rank("dense").cast(pl.Int64).fill_null(0).to_numpy()
        parts.append(np.eye(int(codes.max(initial=0)) + 1)[codes])
    for column in texts:
        pairs = np.zeros((length, MAX_WIDTH - 1))
        for row, text in enumerate(column):
            found = {crc32(f"{one}{other}".encode()) % pairs.shape[1] for one, other in pairwise(text or "")}
            pairs[row, list(found)] = 1 / max(1.0, len(found) ** 0.5)
        parts.append(pairs)
    return np.hstack(parts)[:, :MAX_WIDTH]
