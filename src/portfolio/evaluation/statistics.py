"""The bootstrap (Efron 1979): how much a mean over rows could have come out otherwise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from portfolio.core.types import Array

SAMPLES = 2000
CONFIDENCE = 0.95
SEED = 20_000
_SAMPLES_AT_ONCE = 100


def resampled_means(columns: Array, samples: int = SAMPLES) -> npt.NDArray[np.float64]:
    """Means of columns [rows, k] over as many rows drawn with replacement, [samples, k].

    Every column meets the same draws, so that differences between columns are paired. One matrix product for many
    samples: the cost is that of counting draws, and hardly grows with k.
    """
    random = np.random.default_rng(SEED)
    rows = len(columns)
    # Centred, float32 keeps its digits for what varies.
    centre = columns.mean(axis=0, dtype=np.float64)
    centred = (columns - centre).astype(np.float32)
    means = np.empty((samples, columns.shape[1]), dtype=np.float64)
    for start in range(0, samples, _SAMPLES_AT_ONCE):
        count = min(_SAMPLES_AT_ONCE, samples - start)
        # All samples are counted in one go: sample s counts its draws of row r in cell s * rows + r.
        cells = random.integers(0, rows, (count, rows)) + np.arange(count)[:, None] * rows
        weights = np.bincount(cells.ravel(), minlength=count * rows).reshape(count, rows).astype(np.float32)
        means[start : start + count] = centre + (weights @ centred) / rows
    return means


def interval(resampled: Array, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The percentile interval of resampled figures [samples]. A figure that a sample does not have is left out."""
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(resampled, [tail, 1 - tail])
    return float(low), float(high)
