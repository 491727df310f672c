"""The metrics of the field, each a function of means over rows, so that random weights give them all intervals at once.

scikit-learn has the same metrics one by one; the tests compare with it.
"""

from __future__ import annotations

from typing import Any

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
    by_class = [actual, chosen, actual & chosen, *_placements(actual, predictions), _precisions(actual, predictions)]
    if not output.ordered:
        return np.column_stack([*by_class, loss])
    distance = np.abs(chosen.argmax(axis=1) - targets)
    return np.column_stack([*by_class, loss, distance, distance**2])


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


def _precisions(actual: Array, probabilities: Array) -> Floats:
    """What each row adds to each class's average precision, [rows, classes].

    The average precision is the mean, over the rows of a class, of the precision among the rows that are ranked as high
    or higher. It is no mean over all rows, but close to one: the average plus each row's influence on it, which is its
    derivative by the row's weight.
    """
    added = np.full(actual.shape, np.nan)
    for number, (of_class, scores) in enumerate(zip(actual.T, probabilities.T, strict=True)):
        if not of_class.any():
            continue
        places, hits, above = _ranking(of_class, scores)
        precision = hits.cumsum() / above
        average = hits @ precision / hits.sum()
        # A row counts for itself, and in the precision at each of the places from its own on.
        own = (hits / above)[::-1].cumsum()[::-1] + precision
        others = (hits * precision / above)[::-1].cumsum()[::-1]
        influence = np.where(of_class, own[places] - average, 0) - others[places]
        added[:, number] = average + influence * len(scores) / hits.sum()
    return added


def _ranking(of_class: Array, scores: Array) -> tuple[Array, Array, Array]:
    """Each row's place by its score [rows], the highest first and ties together; and by place, how many rows of the
    class there are, and how many rows of any class there are down to it.
    """
    _, places, rows = np.unique(-scores, return_inverse=True, return_counts=True)
    return places, np.bincount(places, of_class), rows.cumsum()


RECALLS = tuple(recall / 50 for recall in range(51))


def precision_recall(targets: Array, probabilities: Array) -> dict[str, Any]:
    """The precision of probabilities [rows, classes] at each of RECALLS, and that of chance, which is a class's share.

    Of two classes that of the rarer one; of more the mean over all that there are rows of, each against the rest.
    """
    counts = np.bincount(targets, minlength=probabilities.shape[1])
    classes = [int(counts.argmin())] if len(counts) == 2 else [int(number) for number in counts.nonzero()[0]]
    curves = []
    for number in classes:
        _, hits, above = _ranking(targets == number, probabilities[:, number])
        found = hits.cumsum()
        reached = np.searchsorted(found / found[-1], np.array(RECALLS) - 1e-9)
        curves.append((found / above)[reached])
    by_chance = float(counts[classes].mean() / len(targets))
    return {"recall": list(RECALLS), "precision": np.mean(curves, axis=0).tolist(), "by_chance": by_chance}


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

    Averages over classes are macro, over those that there are rows of: that of the recall is the balanced accuracy. A
    class of which there are none has neither an AUC nor an average precision.
    """
    if output.task == "regression":
        mae, mse, centred, squares = np.moveaxis(means, -1, 0)
        spread = squares - centred**2
        with np.errstate(invalid="ignore", divide="ignore"):
            return {"mae": mae, "mse": mse, "rmse": np.sqrt(mse), "r2": 1 - mse / spread}, {}
    classes = len(output.classes)
    actual, chosen, hits, below, above, precisions = (
        means[..., number * classes : (number + 1) * classes] for number in range(6)
    )
    rest = np.moveaxis(means[..., 6 * classes :], -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        by_class = {
            "precision": np.nan_to_num(hits / chosen),
            "recall": np.nan_to_num(hits / actual),
            "f1": np.nan_to_num(2 * hits / (chosen + actual)),
            "auc": np.clip(below / actual + above / (1 - actual), 0, 1),
            "average_precision": np.clip(precisions, 0, 1),
        }
    whole = {"accuracy": hits.sum(axis=-1)}
    present = actual > 0
    for name, of_class in (("balanced_accuracy", "recall"), ("precision", "precision"), ("f1", "f1")):
        whole[name] = np.where(present, by_class[of_class], 0).sum(axis=-1) / present.sum(axis=-1)
    for name in ("auc", "average_precision"):
        known = np.isfinite(by_class[name])
        with np.errstate(invalid="ignore", divide="ignore"):
            whole[name] = np.where(known, by_class[name], 0).sum(axis=-1) / known.sum(axis=-1)
    if classes == 2:
        # Of two classes the common one is found by chance; what counts is how well the rarer one is.
        rarer = int(actual.reshape(-1, 2).mean(axis=0).argmin())
        whole["average_precision"] = by_class["average_precision"][..., rarer]
    whole["log_loss"] = rest[0]
    if output.ordered:
        whole |= {"class_distance": rest[1], "quadratic_kappa": _quadratic_kappa(actual, chosen, rest[2])}
    return whole, by_class


def _quadratic_kappa(actual: Floats, chosen: Floats, squares: Floats) -> Floats:
    """Cohen's kappa with quadratic weights, of the classes' shares [..., classes] and mean squared distances [...]."""
    places = np.arange(actual.shape[-1])
    by_chance = actual @ places**2 + chosen @ places**2 - 2 * (actual @ places) * (chosen @ places)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - squares / by_chance)


def score(output: Output, targets: Array, predictions: Array) -> dict[str, float]:
    """Metrics of predictions [rows, classes] or [rows, 1] against targets [rows]."""
    whole, _ = from_means(output, row_statistics(output, targets, predictions).mean(axis=0))
    return {name: float(value) for name, value in whole.items()}
