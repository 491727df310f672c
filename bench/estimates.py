"""How far an estimate without labels lies from what labels say: where other rows come, and where the truth changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.made_up_model import made_up_manifest
from bench.rows import Row
from portfolio.bundle.manifest import Manifest, Output
from portfolio.bundle.policy import Policy, Prices
from portfolio.core.types import Array
from portfolio.evaluation.value import error_yen
from portfolio.monitoring import estimate, evidence, harm
from portfolio.monitoring.answered import Answered
from portfolio.monitoring.inflow import Inflow

FIELDS, TRAIN_ROWS, TEST_ROWS, WINDOW_ROWS = 5, 4_000, 2_000, 1_000
MODELS, WINDOWS = 20, 25
LARGEST_SHIFT = 1.0
FLIPPED = 0.05
MOST_LABELS = 20_000
AUDIT_SHARE = 0.1
POLICY = Policy(prices=Prices(by_hand_yen=10, check_yen=4, error_yen=50), audit_share=AUDIT_SHARE)
OUTPUT = Output(task="classification", name="answer", classes=("no", "yes"), labels=("no", "yes"))


@dataclass
class Model:
    """A logistic regression that was fitted to some rows, and tested on others."""

    random: np.random.Generator
    steepness: Array
    predict: Callable[[Array], Array]
    manifest: Manifest

    def targets(self, rows: Array) -> Array:
        yes = 1 / (1 + np.exp(-rows @ self.steepness))
        return np.asarray(self.random.random(len(rows)) < yes, dtype=np.int64)

    def inflow(self, rows: Array) -> tuple[Inflow, Answered]:
        outputs = self.predict(rows)
        inputs = {one.name: rows[:, [place]] for place, one in enumerate(self.manifest.inputs)}
        found, inflow = Answered(inputs, outputs, self.manifest.decider()(outputs)), Inflow(self.manifest)
        inflow.add(found)
        return inflow, found


def fitted(seed: int) -> Model:
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(seed)
    steepness = random.normal(0, 3, FIELDS)
    rows = random.normal(size=(TRAIN_ROWS + TEST_ROWS, FIELDS)).astype(np.float32)
    yes = 1 / (1 + np.exp(-rows @ steepness))
    targets = (random.random(len(rows)) < yes).astype(np.int64)
    train, test = slice(0, TRAIN_ROWS), slice(TRAIN_ROWS, None)
    regression: Any = LogisticRegression(C=100).fit(rows[train], targets[train])

    def predict(given: Array) -> Array:
        return np.asarray(regression.predict_proba(given), dtype=np.float32)

    manifest = made_up_manifest(
        "estimates", OUTPUT, POLICY, rows[train], rows[test], predict(rows[test]), targets[test]
    )
    return Model(random, steepness, predict, manifest)


def covariate_shift() -> list[Row]:
    """Windows whose rows moved, by up to a standard deviation in a direction of their own; the truth about a row is the
    same as before."""
    off, covered, trusted = [], [], []
    for seed in range(MODELS):
        model = fitted(seed)
        for window in range(WINDOWS):
            direction = model.random.normal(size=FIELDS)
            shift = LARGEST_SHIFT * window / WINDOWS * direction / np.linalg.norm(direction)
            rows = (model.random.normal(size=(WINDOW_ROWS, FIELDS)) + shift).astype(np.float32)
            inflow, found = model.inflow(rows)
            accuracy = float((found.decisions.answers == model.targets(rows)).mean())
            estimated = _estimated(model.manifest, inflow)
            off.append(abs(estimated["value"] - accuracy))
            covered.append(estimated["low"] <= accuracy <= estimated["high"])
            trusted.append(estimated["trusted"])
    return [
        Row(
            f"covariate shift, windows of {WINDOW_ROWS:,} rows: estimated accuracy within 2 points of that by labels",
            100 * float(np.mean(np.array(off) <= 0.02)),
            "%",
            at_least=95,
        ),
        Row("  of them: the 95% interval holds it", 100 * float(np.mean(covered)), "%"),
        Row("  of them: called trusted", 100 * float(np.mean(trusted)), "%"),
    ]


def concept_drift() -> list[Row]:
    """Windows of rows as before, of which some have another truth than before."""
    off, labels, told = [], [], 0
    for seed in range(MODELS):
        model = fitted(1_000 + seed)
        promise = model.manifest.promise
        assert promise is not None
        limit = harm.limit(dict(promise.errors), POLICY.prices.highest_error_yen)
        money, audited = evidence.none_yet(), 0
        while audited < MOST_LABELS and evidence.total(money, audited) < 1 / harm.ALPHA:
            rows = model.random.normal(size=(WINDOW_ROWS, FIELDS)).astype(np.float32)
            targets = model.targets(rows)
            targets = np.where(model.random.random(WINDOW_ROWS) < FLIPPED, 1 - targets, targets)
            inflow, found = model.inflow(rows)
            accuracy = float((found.decisions.answers == targets).mean())
            off.append(abs(_estimated(model.manifest, inflow)["value"] - accuracy))
            told += estimate.errors_below(inflow, promise)[1] > estimate.WARN_ERRORS
            asked = found.decisions.by_machine & (model.random.random(WINDOW_ROWS) < AUDIT_SHARE)
            lost = error_yen(OUTPUT, POLICY, targets, found.outputs, found.decisions.answers)[asked]
            losses, counts = np.unique(lost / POLICY.prices.highest_error_yen, return_counts=True)
            money = evidence.after(money, audited, limit, losses, counts)
            audited += len(lost)
        labels.append(audited)
    return [
        Row(
            f"concept drift ({FLIPPED:.0%} of the labels turned): estimated accuracy within 2 points of that by labels",
            100 * float(np.mean(np.array(off) <= 0.02)),
            "%",
        ),
        Row("  of its windows: the estimate tells of harm", 100 * told / len(off), "%"),
        Row("  median of the audited labels that tell of it", float(np.median(labels)), "labels"),
    ]


def _estimated(manifest: Manifest, inflow: Inflow) -> dict[str, Any]:
    assert manifest.promise is not None
    found = estimate.right(inflow, manifest.promise, by_machine=False)
    assert found is not None
    return found
