"""How much a figure could have come out otherwise: weights drawn at random for the rows (Rubin 1981).

Rows that belong together, such as those of one place, are drawn together: they are one unit.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from portfolio.core.types import Array

SAMPLES = 4000
TEST_SAMPLES = 100_000
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


def mean_interval(
    values: Array, worst: float, best: float, units: Array | None = None, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """An interval for the mean of values [rows] that lie between `worst` and `best`.

    The lower end is what the mean could be if one more row had come out worst, the upper end if one more had come out
    best, each with a random weight (Gaffke 2005; Learned-Miller and Thomas 2019). For two outcomes that is the exact
    interval of Clopper and Pearson (1934). So a model without an error in n rows is not said never to err.
    """
    tail = (1 - confidence) / 2
    low = np.quantile(_means_with_one_more(values, worst, units, SAMPLES), tail)
    high = np.quantile(_means_with_one_more(values, best, units, SAMPLES), 1 - tail)
    return float(low), float(high)


def p_value(values: Array, worst: float, at_most: float = 0.0, units: Array | None = None) -> float:
    """How probable values [rows] as large as these are at most, if their true mean is no larger than `at_most`.

    One-sided, from the same weights as the lower end of `mean_interval`; never below 1 / (TEST_SAMPLES + 1).
    """
    means = _means_with_one_more(values, worst, units, TEST_SAMPLES)
    return float((np.count_nonzero(means <= at_most) + 1) / (TEST_SAMPLES + 1))


def _means_with_one_more(values: Array, extreme: float, units: Array | None, samples: int) -> Floats:
    sums, sizes = _by_unit(values.astype(np.float64)[:, None], units)
    # Units with the same outcome share one draw, of a gamma distribution: a sum of exponential ones.
    kinds, counts = np.unique(np.column_stack([sums, sizes]), axis=0, return_counts=True)
    size = float(sizes.mean())
    random = np.random.default_rng(SEED)
    parts = []
    for count in _chunks(samples, len(kinds)):
        weights = random.standard_gamma(counts, (count, len(kinds)))
        more = random.standard_exponential(count) * size
        parts.append((weights @ kinds[:, 0] + more * extreme) / (weights @ kinds[:, 1] + more))
    return np.concatenate(parts)


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
