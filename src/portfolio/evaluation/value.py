"""What a model is worth: the yen that its answers save compared with doing every item by hand.

The policy lets the machine answer where an error is expected to cost less than a check; otherwise a person checks its
answer. People are assumed to be right: the prices include what that takes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from portfolio.bundle.manifest import Output
from portfolio.bundle.policy import Decisions, Floats, Policy, saved
from portfolio.contract.config import Value
from portfolio.core.types import Array

Bools = npt.NDArray[np.bool_]


def is_right(output: Output, value: Value | Policy | None, targets: Array, predictions: Array, answers: Array) -> Bools:
    """Whether each answer is the true class, or lies within the tolerance, if there is one, [rows].

    `predictions` are [rows, classes], or [rows, 2] with the value first; `answers` the classes that are answered.
    """
    if output.task == "classification":
        return np.asarray(answers == targets)
    tolerance = np.inf if value is None or value.tolerance is None else value.tolerance
    return np.asarray(np.abs(predictions[:, 0].astype(np.float64) - targets) <= tolerance)


def error_yen(output: Output, value: Value | Policy, targets: Array, predictions: Array, answers: Array) -> Floats:
    """What each answer costs if nobody checks it, [rows]: 0 where it is right. Takes what `is_right` does."""
    if output.task == "classification":
        return value.prices.error_costs(output.classes)[targets, answers]
    return np.where(is_right(output, value, targets, predictions, answers), 0.0, value.prices.highest_error_yen)


def yen_by_row(output: Output, value: Value, targets: Array, predictions: Array, decisions: Decisions) -> Floats:
    """Yen saved by each answer, [rows]."""
    lost = error_yen(output, value, targets, predictions, decisions.answers)
    return np.asarray(saved(value.prices, decisions.by_machine, lost))


def bounds(value: Value) -> tuple[float, float]:
    """The least and the most yen that one row can save."""
    prices = value.prices
    return prices.by_hand_yen - max(prices.highest_error_yen, prices.check_yen), prices.by_hand_yen


def curve(value: Value, decisions: Decisions, lost: Array, shares: Array) -> Floats:
    """The mean value in yen an item if the machine answered that share of the rows, the surest first, [shares].

    `lost` is what each answer costs if nobody checks it, [rows].
    """
    order = np.argsort(decisions.error_yen, kind="stable")
    cumulative = np.concatenate([[0.0], np.cumsum(lost[order])])
    rows = len(order)
    answered = np.round(np.asarray(shares) * rows).astype(int)
    costs = cumulative[answered] + (rows - answered) * value.prices.check_yen
    return np.asarray(value.prices.by_hand_yen - costs / rows)
