"""What tells the rows of a window from those of training, all fields taken together: a classifier learns to.

The tests of drift look at one field at a time. Where fields are as before, each for itself, and only go together
otherwise, this alone tells.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from portfolio.bundle.manifest import Manifest, read_manifest
from portfolio.bundle.policy import Floats
from portfolio.bundle.store import Store
from portfolio.bundle.summaries import summaries
from portfolio.contract.use_case import UseCase
from portfolio.core.types import Array
from portfolio.data.dataset import load_split
from portfolio.monitoring.answered import answered
from portfolio.monitoring.inflow import first_summary
from portfolio.monitoring.looks import Look
from portfolio.monitoring.prediction_log import window
from portfolio.monitoring.prediction_log.database import Database

# Of each side. More make it slower, and tell little more.
MOST_ROWS = 5_000
LEAST_ROWS = 100
SEED = 0


class Told(NamedTuple):
    """How well the two are told apart, and by what."""

    auc: float
    """The chance that of two rows, one of each, the classifier knows which is which: 0.5 where it can't tell."""
    by: list[tuple[str, str, float]]
    """By field and summary, how much of that is lost if its values are shuffled; the most first."""


def told_apart(use_case: UseCase, address: str, one: Look) -> Told | None:
    """What tells the rows of a look's window from those of training; None if there are too few.

    Raises BundleError if the store has no such bundle any more, and DataError if the training rows are not there.
    """
    manifest, _ = read_manifest(Store.of(use_case.name).bundle_folder(one.digest))
    database, parts, rows = Database(address), [], 0
    try:
        for requests in window.answers(database, one.digest, one.start, one.end):
            parts.append(answered(manifest, requests).inputs)
            rows += len(next(iter(parts[-1].values())))
            if rows >= MOST_ROWS:
                break
    finally:
        database.close()
    if not parts:
        return None
    now = {field.name: np.concatenate([part[field.name] for part in parts]) for field in manifest.inputs}
    return explain(manifest, load_split(use_case, "train").inputs, now)


def explain(manifest: Manifest, before: dict[str, Array], now: dict[str, Array]) -> Told | None:
    """For the inputs of training rows and of a window's, by field, [rows, width]; None if there are too few.

    Half of the rows are learned from, and the other half is told apart.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.inspection import permutation_importance
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(SEED)
    names, sides = [], []
    for inputs in (before, now):
        columns = _columns(manifest, inputs)
        names, rows = list(columns), np.column_stack(list(columns.values()))
        sides.append(random.permutation(rows)[:MOST_ROWS])
    if min(map(len, sides)) < LEAST_ROWS:
        return None
    rows = np.concatenate(sides)
    is_now = np.repeat([0, 1], [len(side) for side in sides])
    order = random.permutation(len(rows))
    learned, told = order[: len(order) // 2], order[len(order) // 2 :]
    classifier = HistGradientBoostingClassifier(max_iter=50, class_weight="balanced", random_state=SEED)
    classifier.fit(rows[learned], is_now[learned])
    auc = float(roc_auc_score(is_now[told], classifier.predict_proba(rows[told])[:, 1]))
    lost = permutation_importance(
        classifier, rows[told], is_now[told], scoring="roc_auc", n_repeats=3, random_state=SEED
    ).importances_mean
    by = [(*name, float(share)) for name, share in zip(names, lost, strict=True)]
    return Told(auc, sorted(by, key=lambda one: -one[2]))


def _columns(manifest: Manifest, inputs: dict[str, Array]) -> dict[tuple[str, str], Floats]:
    """The summaries of each field; a category as its place, and one that was never seen as another."""
    found: dict[tuple[str, str], Floats] = {}
    for field in manifest.inputs:
        values = inputs[field.name]
        if field.kind == "category":
            places = {category: float(place) for place, category in enumerate(field.categories)} | {"": np.nan}
            column = np.array([places.get(str(label), -1.0) for label in values[:, 0]])
            found[field.name, first_summary(field.kind)] = column
        else:
            found |= {(field.name, name): column for name, column in summaries(field, values).items()}
    return found
