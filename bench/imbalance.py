"""Whether class weights help where one class is rare: `python -m bench.imbalance`.

A made-up table with few positive rows, several times. Each estimator is fitted with and without weights, calibrated on
other rows as every candidate is, and measured on yet others. A missed positive costs twenty times a false alarm.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lightgbm import LGBMClassifier
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from bench.rows import Row, record
from portfolio.bundle.manifest import Output
from portfolio.bundle.policy import Decider, Policy, saved
from portfolio.contract.config import Value
from portfolio.core.types import Array
from portfolio.evaluation.calibration import fit_temperature, softened
from portfolio.evaluation.metrics import score
from portfolio.evaluation.value import error_yen

ROWS, REPETITIONS, POSITIVE_SHARE = 20_000, 5, 0.02
OUTPUT = Output(task="classification", name="class", classes=("common", "rare"))
VALUE = Value(by_hand_yen=10, check_yen=6, error_yen={"rare": 400, "common": 20})
FIGURES = {"value": "yen per 1,000", "average_precision": "", "log_loss": ""}


def estimators(class_weight: str | None) -> dict[str, Any]:
    return {
        "logistic regression": LogisticRegression(max_iter=1000, class_weight=class_weight),
        "random forest": RandomForestClassifier(min_samples_leaf=3, random_state=0, class_weight=class_weight),
        "LightGBM": LGBMClassifier(
            n_estimators=200, learning_rate=0.05, verbose=-1, n_jobs=1, random_state=0, class_weight=class_weight
        ),
    }


def main() -> None:
    measured: dict[tuple[str, str], list[float]] = {}
    for seed in range(REPETITIONS):
        rows, targets = make_classification(
            ROWS, 20, n_informative=6, weights=[1 - POSITIVE_SHARE], class_sep=0.8, flip_y=0.005, random_state=seed
        )
        fit_on, rest, fit_targets, rest_targets = train_test_split(rows, targets, test_size=0.6, random_state=seed)
        val, test, val_targets, test_targets = train_test_split(
            rest, rest_targets, test_size=0.7, random_state=seed, stratify=rest_targets
        )
        for weights in (None, "balanced"):
            for name, estimator in estimators(weights).items():
                estimator.fit(fit_on, fit_targets)
                temperature = fit_temperature(estimator.predict_proba(val), val_targets)
                probabilities = softened(estimator.predict_proba(test), temperature)
                figures = score(OUTPUT, test_targets, probabilities)
                figures["value"] = value(test_targets, probabilities)
                for figure, unit in FIGURES.items():
                    what = f"{name}, {'weighted by class' if weights else 'as it is'}: {figure.replace('_', ' ')}"
                    measured.setdefault((what, unit), []).append(figures[figure])
    rows = [Row(what, float(np.mean(values)), unit) for (what, unit), values in measured.items()]
    record("imbalance", rows, command="python -m bench.imbalance")


def value(targets: Array, probabilities: Array) -> float:
    """Yen saved per 1,000 rows under the policy."""
    decisions = Decider(Policy(prices=VALUE.prices), OUTPUT.classes, ())(probabilities)
    lost = error_yen(OUTPUT, VALUE, targets, probabilities, decisions.answers)
    return 1000 * float(np.mean(saved(VALUE.prices, decisions.by_machine, lost)))


if __name__ == "__main__":
    main()
