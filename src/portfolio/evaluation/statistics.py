"""How much a figure could have come out otherwise: weights drawn at random for the rows (Rubin 1981).

Rows that belong together, such as those of one place, are drawn together: they are one unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from portfolio.core.types import Array

SAMPLES = 4000
CONFIDENCE = 0.95
SEED = 20_000
_CELLS_AT_ONCE = 4_000_000

Floats = npt.NDArray[np.float64]


def resampled_means(columns: Array, units: Array | None = None, samples: int = SAMPLES) -> Floats:
    """Means of columns [rows, k] under random weights, [samples, k]; `units` [rows] number those drawn together.

    Every column meets the same weights, so that differences between columns are paired. An error that no row shows is
    never drawn: for a mean whose bounds are known, `mean_interval` has no such hole.
    """
    sums, sizes = _by_unit(columns.astype(np.float64), units)
    random = np.random.default_rng(SEED)
    parts = []
    for count in _chunks(samples, len(sums)):
        weights = random.standard_exponential((count, len(sums)))
        parts.append((weights @ sums) / (weights @ sizes)[:, None])
    return np.concatenate(parts)


def interval(resampled: Array, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The percentile interval of resampled figures [samples]. A figure that a sample does not have is left out."""
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(resampled, [tail, 1 - tail])
    return float(low), float(high)


@dataclass(frozen=True)
class Outcomes:
    """The units of some rows by what came out: kinds of them, and how many there are of each; all are [kinds]."""

    totals: Floats
    """The sum of the values of a unit's rows."""
    rows: Floats
    """How many rows a unit has."""
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, values: Array, units: Array | None = None) -> Self:
        """Of values [rows] and the numbers [rows] of their units; without those, each row is one."""
        sums, sizes = _by_unit(values.astype(np.float64)[:, None], units)
        kinds, counts = np.unique(np.column_stack([sums, sizes]), axis=0, return_counts=True)
        return cls(kinds[:, 0], kinds[:, 1], counts)

    @property
    def mean(self) -> float:
        return float(self.counts @ self.totals / (self.counts @ self.rows))

    @property
    def size_of_one_more(self) -> float:
        """The rows of a unit that is not there: as many as the unit of a row drawn at random has.

        So, large units count as they do in the mean; an average unit would hide what a large one can do.
        """
        return float(self.counts @ self.rows**2 / (self.counts @ self.rows))

    def means_with_one_more(self, value: float, samples: int, random: np.random.Generator) -> Floats:
        """Means under random weights [samples], if there were one more unit, of that value in each of its rows."""
        size, parts = self.size_of_one_more, []
        for count in _chunks(samples, len(self.counts)):
            # Units of one kind share one draw: a sum of exponential weights has a gamma distribution.
            weights = random.standard_gamma(self.counts, (count, len(self.counts)))
            more = size * random.standard_exponential(count)
            parts.append((weights @ self.totals + more * value) / (weights @ self.rows + more))
        return np.concatenate(parts)


def mean_interval(outcomes: Outcomes, worst: float, best: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """An interval for the mean of values that lie between `worst` and `best`.

    The lower end is what the mean could be if one more unit had come out worst, the upper end if one more had come out
    best, each with a random weight (Gaffke 2005; Learned-Miller and Thomas 2019). For two outcomes that is the exact
    interval of Clopper and Pearson (1934); beyond, that it covers often enough is conjectured, and borne out by
    simulation. So a model without an error in n rows is not said never to err.
    """
    tail = (1 - confidence) / 2
    low, high = (
        float(np.quantile(outcomes.means_with_one_more(value, SAMPLES, np.random.default_rng(SEED)), at))
        for value, at in ((worst, tail), (best, 1 - tail))
    )
    return low, high


def p_value(outcomes: Outcomes, worst: float, at_most: float = 0.0) -> float:
    """An upper bound on how probable values as large as these are, if their true mean is no larger than `at_most`.

    One-sided, from the same weights as the lower end of `mean_interval`: the probability that their mean, with one more
    unit at its worst, is at most that. By the saddlepoint approximation of Lugannani and Rice (1980), which stays
    accurate to some per cent however small the probability is.
    """
    from scipy.optimize import brentq

    size = outcomes.size_of_one_more
    scales = np.append(outcomes.totals - at_most * outcomes.rows, size * (worst - at_most))
    shapes = np.append(outcomes.counts, 1).astype(np.float64)
    shapes, scales = shapes[scales != 0], scales[scales != 0] / np.abs(scales).max()
    if scales.max(initial=-1.0) <= 0:
        return 1.0
    # The mean is at most `at_most` where this sum of gamma variables, each times its scale, is at most 0.
    ends = (1 / scales.min(), 1 / scales.max())
    point: float = brentq(
        lambda t: float((shapes * scales / (1 - t * scales)).sum()), *(end * (1 - 1e-12) for end in ends)
    )
    logarithm = -float((shapes * np.log1p(-point * scales)).sum())
    step = point * math.sqrt(float((shapes * scales**2 / (1 - point * scales) ** 2).sum()))
    if abs(step) < 1e-4:
        # At the mean itself the formula is 0/0; its limit has the skewness in it.
        skewness = 2 * (shapes * scales**3).sum() / (shapes * scales**2).sum() ** 1.5
        return float(0.5 + skewness / (6 * math.sqrt(2 * math.pi)))
    root = math.copysign(math.sqrt(-2 * logarithm), point)
    above = math.erfc(root / math.sqrt(2)) / 2
    density = math.exp(-(root**2) / 2) / math.sqrt(2 * math.pi)
    if point > 0:
        return min(1.0, 1 - above - density * (1 / step - 1 / root))
    return math.erfc(-root / math.sqrt(2)) / 2 - density * (1 / step - 1 / root)


def _by_unit(columns: Floats, units: Array | None) -> tuple[Floats, Floats]:
    """The sums of the columns by unit, [units, k], and the rows of each, [units]."""
    if units is None:
        return columns, np.ones(len(columns))
    _, numbers = np.unique(units, return_inverse=True)
    sums = np.stack([np.bincount(numbers, column).astype(np.float64) for column in columns.T], axis=1)
    return sums, np.bincount(numbers).astype(np.float64)


def _chunks(samples: int, width: int) -> Iterator[int]:
    """Numbers of samples that sum to `samples`, each few enough for the memory."""
    at_once = max(1, _CELLS_AT_ONCE // max(1, width))
    for start in range(0, samples, at_once):
        yield min(at_once, samples - start)
