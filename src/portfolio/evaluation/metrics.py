"""The metrics of the field, each a function of means over rows, so that random weights give them all intervals at once.

scikit-learn has the same metrics one by one; the tests compare with it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from portfolio.bundle.manifest import SMALLEST_PROBABILITY, Output
from portfolio.core.types import Array

LOSS = {"classification": "log_loss", "regression": "rmse"}
"""Of each task, the metric that training makes small."""

Floats = npt.NDArray[np.float64]


def row_statistics(output: Output, targets: Array, predictions: Array, answers: Array | None = None) -> Floats:
    """What each row adds to the metrics, [rows, k], for predictions [rows, outputs] and targets [rows].

    `answers` [rows] are the classes that are answered; without them, the most probable ones.
    """
    if output.task == "regression":
        errors = predictions[:, 0].astype(np.float64) - targets
        centred = targets - targets.mean()
        return np.stack([np.abs(errors), errors**2, centred, centred**2], axis=1)
    probabilities = predictions.astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    classes = np.arange(len(output.classes))
    actual = targets[:, None] == classes
    chosen = (probabilities.argmax(axis=1) if answers is None else answers)[:, None] == classes
    loss = -np.log(np.clip(probabilities[actual], SMALLEST_PROBABILITY, 1))
    return np.column_stack([actual, chosen, actual & chosen, *_placements(actual, predictions), loss])


def _placements(actual: Array, probabilities: Array) -> tuple[Floats, Floats]:
    """What each row adds to each class's AUC, [rows, classes]: rows of the class, and the others.

    The structural components of DeLong et al. (1988): the share of the other class that a row is ranked correctly
    against. The second are centred, so that their mean is 0 where no row is drawn more often than another.
    """
    of_class = actual.sum(axis=0)
    others = len(actual) - of_class
    # A class with no rows has no AUC: 0/0 below, which is said as nan.
    with np.errstate(invalid="ignore", divide="ignore"):
        among_all = _ranks(probabilities)
        among_own = np.empty_like(among_all)
        for side in (actual, ~actual):
            masked = np.where(side, probabilities, np.inf)
            among_own = np.where(side, _ranks(masked), among_own)
        below = np.where(actual, (among_all - among_own) / others, 0.0)
        above = np.where(actual, 0.0, 1 - (among_all - among_own) / of_class)
        auc = below.sum(axis=0) / of_class
        return below, np.where(actual, 0.0, above - auc)


def _ranks(columns: Array) -> Floats:
    """The rank of each value in its column, from 1; equal values share the mean of their ranks.

    scipy.stats has it, and takes longer to import than all of an evaluation's arithmetic.
    """
    ranks = np.empty(columns.shape)
    for number, column in enumerate(columns.T):
        _, places, counts = np.unique(column, return_inverse=True, return_counts=True)
        ranks[:, number] = (counts.cumsum() - (counts - 1) / 2)[places]
    return ranks


def from_means(output: Output, means: Floats) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """The metrics of means [..., k] of row statistics: as a whole [...], and by class [..., classes].

    Averages over classes are macro, over those that there are rows of. A class of which there are none has no AUC.
    """
    if output.task == "regression":
        mae, mse, centred, squares = np.moveaxis(means, -1, 0)
        spread = squares - centred**2
        with np.errstate(invalid="ignore", divide="ignore"):
            return {"mae": mae, "mse": mse, "rmse": np.sqrt(mse), "r2": 1 - mse / spread}, {}
    actual, chosen, hits, below, above = np.split(means[..., :-1], 5, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        by_class = {
            "precision": np.nan_to_num(hits / chosen),
            "recall": np.nan_to_num(hits / actual),
            "f1": np.nan_to_num(2 * hits / (chosen + actual)),
            "auc": below / actual + above / (1 - actual),
        }
    whole = {"accuracy": hits.sum(axis=-1)}
    present = actual > 0
    for name in ("precision", "recall", "f1"):
        whole[name] = np.where(present, by_class[name], 0).sum(axis=-1) / present.sum(axis=-1)
    known = np.isfinite(by_class["auc"])
    with np.errstate(invalid="ignore", divide="ignore"):
        whole["auc"] = np.where(known, by_class["auc"], 0).sum(axis=-1) / known.sum(axis=-1)
    return {**whole, "log_loss": means[..., -1]}, by_class


def score(output: Output, targets: Array, predictions: Array) -> dict[str, float]:
    """Metrics of predictions [rows, classes] or [rows, 1] against targets [rows]."""
    whole, _ = from_means(output, row_statistics(output, targets, predictions).mean(axis=0))
    return {name: float(value) for name, value in whole.items()}
