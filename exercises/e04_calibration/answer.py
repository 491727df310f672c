"""Probabilities that keep what they promise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def expected_calibration_error(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    """By how much confidence and accuracy differ, on average over the rows.

    `confidence` [rows] is in 0 to 1. Rows are put into ten bins of equal width (the last one includes 1); in each bin
    the mean confidence is compared with the share of right answers, and the bins are weighted by their rows.
    """
    raise NotImplementedError
