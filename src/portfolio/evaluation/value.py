"""What a model is worth: prices, the decision policy, and the yen that each answer saves or costs.

Every item can be done by hand. The policy lets the machine answer where it is sure enough; otherwise a person checks
its answer. People are assumed to be right: the prices include what that takes.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from portfolio.bundle.policy import Policy, Prices, certainty

Array = npt.NDArray[np.floating | np.integer | np.bool_]


def curve(prices: Prices, policy_rule: str, thresholds: Array, predictions: Array, wrong: Array) -> Array:
    """The mean value in yen an item at each threshold, [thresholds], for predictions and `wrong` [rows]."""
    sign = 1.0 if policy_rule == "probability_at_least" else -1.0
    order = np.argsort(-certainty(predictions))
    # Sorted once: behind the k surest rows stand their mistakes, whatever the number of thresholds.
    mistakes = np.concatenate([[0], np.cumsum(np.asarray(wrong)[order])])
    surest = certainty(predictions)[order]
    counts = np.searchsorted(-surest, -sign * np.asarray(thresholds, dtype=np.float64), side="right")
    rows = len(surest)
    lost = mistakes[counts] * prices.error_yen + (rows - counts) * prices.check_yen
    return np.asarray(prices.by_hand_yen - lost / rows)


def choose_policy(prices: Prices, thresholds: tuple[float, ...], predictions: Array, wrong: Array) -> Policy:
    """The policy whose threshold is worth most on these rows; of equals the one that asks people more often."""
    rule: Literal["probability_at_least", "value_at_most"]
    rule = "probability_at_least" if predictions.shape[1] > 1 else "value_at_most"
    careful_first = sorted(thresholds, reverse=rule == "probability_at_least")
    worth = curve(prices, rule, np.array(careful_first), predictions, wrong)
    threshold = careful_first[int(worth.argmax())]
    policy = Policy(rule=rule, threshold=threshold, prices=prices, error_share=0)
    answered = np.asarray(wrong)[policy.by_machine(predictions)]
    return policy.model_copy(update={"error_share": float(answered.mean()) if len(answered) else 0.0})
