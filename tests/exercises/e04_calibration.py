"""A solution of exercises/e04_calibration."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def expected_calibration_error(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    bins = np.minimum((confidence * 10).astype(int), 9)
    return float(sum(abs((confidence - right)[bins == bin].sum()) for bin in range(10)) / len(confidence))
