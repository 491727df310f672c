"""How often wrong labels are noticed when they come back: `python -m bench.flipped`.

Labels of answers that a calibrated model was certain of, at 90 to 99.9%; a share of the labels is of another class than
the true one. Told is what a run says of them, refused is what it does not learn from.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from bench.rows import Row, record
from portfolio.contract.config import Retrain
from portfolio.monitoring.doubts import contradicted_answers

LABELS = (50, 100, 300, 1_000)
FLIPPED = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6)
SIMULATIONS = 500
MOST_FALSE = 0.01


def main() -> None:
    random, limit = np.random.default_rng(0), Retrain().max_contradicted
    measured = []
    for flipped in FLIPPED:
        for labels in LABELS:
            told = refused = 0
            for _ in range(SIMULATIONS):
                notes, is_refused = contradicted_answers(batch(random, labels, flipped), limit)
                told, refused = told + bool(notes), refused + is_refused
            what = f"{labels:,} labels, {flipped:.0%} flipped"
            measured += [
                Row(f"{what}: told", told / SIMULATIONS, "", at_most=None if flipped else MOST_FALSE),
                Row(f"{what}: refused", refused / SIMULATIONS, "", at_most=None if flipped else MOST_FALSE),
            ]
    record("flipped", measured, command="python -m bench.flipped")


def batch(random: np.random.Generator, labels: int, flipped: float) -> pl.DataFrame:
    """What is known of the answers."""
    certainty = random.uniform(0.9, 0.999, labels)
    # With two classes, a wrong label of a wrong answer says that it was right.
    right = (random.uniform(size=labels) < certainty) ^ (random.uniform(size=labels) < flipped)
    certain = np.ones(labels, dtype=bool)
    return pl.DataFrame({"certainty": certainty, "right": right, "by_machine": certain, "inside": certain})


if __name__ == "__main__":
    main()
