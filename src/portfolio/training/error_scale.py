"""How far off a regression's value may be, row by row: conformal prediction with normalised errors.

Boosted trees learn from the validation rows how large the errors are for inputs such as these. Errors in units of that
scale, each by trees that have not seen the row, say which share of true values an interval covers (Papadopoulos et
al. 2011; folds in place of a split: Barber et al. 2021). Rows that belong together share a fold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline

from portfolio.bundle.policy import levels
from portfolio.contract.table import REPEATABLE
from portfolio.contract.use_case import UseCase
from portfolio.core.types import Array
from portfolio.data.dataset import Split, sklearn_input
from portfolio.data.split import units
from portfolio.training.logarithms import Bounds, bounds_of
from portfolio.training.sklearn_graph import round_to_float32

MAX_RATIOS = 199
FOLDS = 5
# An error of 0 has no logarithm. This share of the median error is added to each.
_FLOOR = 0.05


@dataclass(frozen=True)
class ErrorScale:
    pipeline: Pipeline
    """From the inputs to the logarithm of the error's scale."""
    logarithms: Bounds
    """Of the errors that it has seen."""
    ratios: tuple[float, ...]
    """Validation errors in units of their scale, in increasing order: as many as MAX_RATIOS stand for all."""
    on_val: Array
    """The scales of the validation rows [rows], each by trees that have not seen the row."""


def fit_error_scale(use_case: UseCase, val: Split, predicted: Array) -> ErrorScale:
    """From the values [rows] that were predicted for the validation rows."""
    # Imported here, because a classification does without it.
    from lightgbm import LGBMRegressor

    errors = np.abs(predicted.astype(np.float64) - val.targets)
    floor = max(_FLOOR * float(np.median(errors)), 1e-6 * float(np.abs(val.targets).max()), 1e-12)
    preprocessor = use_case.preprocessor()
    steps: list[tuple[str, Any]] = [] if preprocessor is None else [("preprocessor", preprocessor)]
    # Shallow and few: errors are far noisier than what they are errors of.
    trees = LGBMRegressor(n_estimators=100, learning_rate=0.05, num_leaves=15, **REPEATABLE)
    pipeline = Pipeline([*steps, ("estimator", trees)])
    inputs, logarithms = sklearn_input(use_case, val.inputs), np.log(errors + floor)
    together = units(use_case.source, val.rows)
    groups = np.arange(len(val)) if together is None else together
    folds = GroupKFold(min(FOLDS, len(np.unique(groups))), shuffle=True, random_state=0)
    within = bounds_of(logarithms)
    on_val = np.exp(np.clip(cross_val_predict(pipeline, inputs, logarithms, groups=groups, cv=folds), *within))
    ratios = np.sort(errors / on_val)
    kept = min(len(ratios), MAX_RATIOS)
    # Of n errors the one at place (n + 1) x level covers that share of the next ones.
    places = np.ceil((len(ratios) + 1) * levels(kept) - 1e-9).astype(int) - 1
    pipeline.fit(inputs, logarithms)
    return ErrorScale(round_to_float32(pipeline), within, tuple(ratios[places].tolist()), on_val)
