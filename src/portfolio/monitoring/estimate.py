"""Harm estimated without labels, from calibrated probabilities or intervals (CBPE, confidence-based estimation).

If a model's probabilities are calibrated, the mean probability of its answers is the accuracy to be expected, and its
expected costs are the costs to be expected. That stays true where other rows come than before, as long as they are rows
of which training had some (covariate shift). Where the truth about a row itself has changed (concept drift), the model
does not know, and the estimate can't fall: there, only labels tell.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from portfolio.bundle.manifest import Promise
from portfolio.core.types import Array
from portfolio.monitoring.inflow import Inflow

# The normal quantile of a 95% interval.
Z = 1.96
# Fewer rows say nothing of a mean; nor do more, where so many are copies of each other that they count as fewer.
LEAST_ROWS = 50
# Rows beyond the support that are let pass, beside those that chance puts there.
MOST_STRANGE = 0.05
# Standard errors by which an estimate below the promise is told, and from which it counts as harm: the first is seen by
# chance in one look of 700, the second in none of a lifetime.
WARN_ERRORS, HARM_ERRORS = 3.0, 6.0
# And of the cost by hand, how much must be lost each.
WARN_SHARE, HARM_SHARE = 0.02, 0.05
SMALLEST_GAP = 1e-9


def is_trusted(inflow: Inflow) -> bool:
    """Whether the rows are ones of which training and test had some, and enough of them that differ."""
    return inflow.copies.independent >= LEAST_ROWS and not is_strange(inflow)


def is_strange(inflow: Inflow) -> bool:
    """Whether more rows are unlike any of training and test than chance puts there."""
    if inflow.rows < LEAST_ROWS:
        return False
    # A new value lies beyond the ends of n others in 2 of n + 1 cases.
    by_chance = sum(
        2 / (tally.reference.rows + 1)
        for tally in inflow.tallies.values()
        if tally.reference.rows and not tally.reference.categories
    )
    return inflow.strange / inflow.rows > MOST_STRANGE + by_chance


def yen_per_1000(inflow: Inflow, promise: Promise) -> dict[str, Any] | None:
    expected = inflow.expected
    return _interval(inflow, promise, expected.yen, expected.yen_variance, expected.rows, 1000)


def right(inflow: Inflow, promise: Promise, *, by_machine: bool) -> dict[str, Any] | None:
    """Of the share of right answers: of all, or of those that the machine gave alone."""
    expected = inflow.expected
    if by_machine:
        sums = (expected.right_by_machine, expected.right_by_machine_variance, expected.by_machine)
    else:
        sums = (expected.right, expected.right_variance, expected.rows)
    found = _interval(inflow, promise, *sums, 1)
    return found and {**found, "low": max(found["low"], 0.0), "high": min(found["high"], 1.0)}


def _interval(
    inflow: Inflow, promise: Promise, total: float, variance: float, rows: int, scale: float
) -> dict[str, Any] | None:
    """A 95% interval for the mean that labels of these very rows would give.

    Their own chance is one part; the other is that calibration was seen on so many test rows only.
    """
    if rows == 0:
        return None
    mean = total / rows
    half = Z * math.sqrt(max(variance, 0) / rows * (1 / (inflow.new_share * rows) + 1 / max(promise.rows, 1)))
    low, high = scale * (mean - half), scale * (mean + half)
    return {"value": scale * mean, "low": low, "high": high, "trusted": is_trusted(inflow)}


def errors_below(inflow: Inflow, promise: Promise) -> tuple[float, float]:
    """How far the estimate lies below what the model expected of the test rows: in yen a row, and in standard errors.

    Like is compared with like: so a model that is a little too sure of itself is not told of each day.
    """
    expected = inflow.expected
    total, squares, rows = inflow.new_share * np.array([expected.yen, expected.yen_squared, expected.rows])
    gap, errors = below(total, squares, rows, promise.expected_yen, promise.rows)
    return float(gap), float(errors)


def below(total: Array, squares: Array, rows: Array, promised: Array | float, test_rows: int) -> tuple[Array, Array]:
    """The same from sums over rows and over their squares, [...]."""
    mean = total / np.maximum(rows, 1)
    variance = np.maximum(squares / np.maximum(rows, 1) - mean**2, 0)
    error = np.sqrt(variance * (1 / np.maximum(rows, 1) + 1 / max(test_rows, 1)))
    gap = np.where(rows > 0, promised - mean, 0.0)
    # Where all rows are alike there is no chance in it.
    return gap, np.where(gap > SMALLEST_GAP, gap / np.maximum(error, SMALLEST_GAP), 0.0)
