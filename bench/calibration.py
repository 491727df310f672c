"""How far the prior should let the temperature go: `python -m bench.calibration`.

The network of the first use case is cross-fitted on its training and validation rows. A temperature is fitted to its
answers on some of them at random, and the value is measured on the others. The test rows take no part.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from bench.rows import Row, console, record
from portfolio.bundle.policy import Decider, Policy
from portfolio.contract.config import Config
from portfolio.contract.loading import load_use_case
from portfolio.contract.use_case import UseCase
from portfolio.core.hashing import uniform
from portfolio.core.paths import default_use_case
from portfolio.core.types import Array
from portfolio.data.dataset import Split, as_split, load_split
from portfolio.data.split import identities
from portfolio.evaluation.calibration import PRIOR_SPREAD, fit_temperature, softened
from portfolio.evaluation.value import yen_by_row
from portfolio.training.network import fit_network

SPREADS = (0.15, 0.25, PRIOR_SPREAD, 0.5, 1.0)
FOLDS, ROWS, DRAWS = 5, 200, 50
UNIT = "yen per 1,000"


def main() -> None:
    use_case = load_use_case(default_use_case())
    if use_case.output.task != "classification":
        console.print(f"'{use_case.name}' predicts a quantity, so nothing is calibrated by a temperature.")
        return
    config = use_case.config()
    rows = as_split(use_case, pl.concat([load_split(use_case, name).rows for name in ("train", "val")]))
    decide = Decider(Policy(prices=config.value.prices), use_case.output.classes, ())
    probabilities = cross_fitted(use_case, config, rows)
    measured = []
    for spread in SPREADS:
        random, worth = np.random.default_rng(0), []
        for _ in range(DRAWS):
            fitted_on = np.isin(np.arange(len(rows)), random.choice(len(rows), ROWS, replace=False))
            temperature = fit_temperature(probabilities[fitted_on], rows.targets[fitted_on], spread)
            predicted, targets = softened(probabilities[~fitted_on], temperature), rows.targets[~fitted_on]
            yen = yen_by_row(use_case.output, config.value, targets, predicted, decide(predicted))
            worth.append(1000 * float(yen.mean()))
        measured += [
            Row(f"a prior of {spread:g}: mean value", float(np.mean(worth)), UNIT),
            Row(f"a prior of {spread:g}: lowest value", min(worth), UNIT),
        ]
    record("calibration", measured, command="python -m bench.calibration")


def cross_fitted(use_case: UseCase, config: Config, rows: Split) -> Array:
    """Probabilities [rows, classes], each row's by a network that has not been fitted on it."""
    folds = np.floor(uniform(identities(use_case.source, rows.rows), salt="fold") * FOLDS)
    found = np.zeros((len(rows), len(use_case.output.classes)))
    for fold in range(FOLDS):
        held_out = folds == fold
        # Training stops by the rows that are held out, as it stops by the validation rows that calibrate it.
        fitted = fit_network(use_case, config, rows.take(~held_out), rows.take(held_out))
        found[held_out] = fitted.predict(rows.take(held_out).inputs)
    return found


if __name__ == "__main__":
    main()
