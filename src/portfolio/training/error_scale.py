"""How far off a regression's value may be, row by row: conformal prediction with normalised errors.

A forest learns from the validation rows how large the errors are for inputs such as these. Errors in units of that
scale, out of bag, then say which share of true values an interval covers, whatever their distribution (Papadopoulos et
al. 2011; out of bag in place of a split: Kim et al. 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import Pipeline

from portfolio.bundle.graph import round_to_float32
from portfolio.bundle.policy import levels
from portfolio.contract.use_case import UseCase
from portfolio.core.types import Array
from portfolio.data.dataset import Split, sklearn_input

MAX_RATIOS = 199
# An error of 0 has no logarithm. This share of the median error is added to each.
_FLOOR = 0.05


@dataclass(frozen=True)
class ErrorScale:
    pipeline: Pipeline
    """From the inputs to the logarithm of the error's scale."""
    ratios: tuple[float, ...]
    """Validation errors in units of their scale, in increasing order: as many as MAX_RATIOS stand for all."""
    on_val: Array
    """The scales of the validation rows [rows], each by trees that have not seen the row."""


def fit_error_scale(use_case: UseCase, val: Split, predicted: Array) -> ErrorScale:
    """From the values [rows] that were predicted for the validation rows."""
    errors = np.abs(predicted.astype(np.float64) - val.targets)
    floor = max(_FLOOR * float(np.median(errors)), 1e-6 * float(np.abs(val.targets).max()), 1e-12)
    preprocessor = use_case.preprocessor()
    steps: list[tuple[str, Any]] = [] if preprocessor is None else [("preprocessor", preprocessor)]
    forest = RandomForestRegressor(n_estimators=50, min_samples_leaf=20, oob_score=True, random_state=0, n_jobs=-1)
    pipeline = Pipeline([*steps, ("estimator", forest)])
    pipeline.fit(sklearn_input(use_case, val.inputs), np.log(errors + floor))
    on_val = np.exp(forest.oob_prediction_)
    ratios = np.sort(errors / on_val)
    kept = min(len(ratios), MAX_RATIOS)
    # Of n errors the one at place (n + 1) x level covers that share of the next ones.
    places = np.ceil((len(ratios) + 1) * levels(kept)).astype(int) - 1
    return ErrorScale(round_to_float32(pipeline), tuple(ratios[places].tolist()), on_val)
