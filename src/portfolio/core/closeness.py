"""How far computed quantities are from those that they should be."""

from __future__ import annotations

import numpy as np

from portfolio.core.types import Array


def relative_differences(found: Array, expected: Array) -> Array:
    """Differences [rows, ...] in units of the expected value, or of the column's typical size where that is larger.

    The median of the sizes other than 0 is typical. A value that happens to lie near 0 is the difference of larger
    ones, and float32 rounds those.
    """
    sizes = np.abs(expected)
    typical = np.ones(expected.shape[1:])
    for column in np.ndindex(typical.shape):
        used = sizes[(slice(None), *column)]
        used = used[np.isfinite(used) & (used > 0)]
        if len(used):
            typical[column] = np.median(used)
    return np.asarray(np.abs(found - expected) / np.maximum(sizes, typical))
