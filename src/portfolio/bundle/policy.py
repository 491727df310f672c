"""Prices, and the policy that follows from them: for each answer the machine gives it, or a person checks it."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from portfolio.core.types import Array

VALUE = "value_yen_per_1000"
"""What the metrics files call the value."""


Yen = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Prices(BaseModel):
    """Yen per item. Doing everything by hand is worth 0, and everything else is compared with that."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by_hand_yen: Yen = Field(description="what an item costs without a machine, and so what a right answer saves")
    check_yen: Yen = Field(description="what it costs to have a person check an answer")
    error_yen: Yen = Field(description="what a wrong answer costs that nobody checked")


class Policy(BaseModel):
    """Who answers: the machine, or a person who checks what it proposes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: Literal["probability_at_least", "value_at_most"]
    threshold: float = Field(allow_inf_nan=False)
    prices: Prices
    error_share: float = Field(ge=0, le=1, description="of its own answers to validation rows, the wrong ones")

    def by_machine(self, predictions: Array) -> npt.NDArray[np.bool_]:
        """Of predictions [rows, classes] or [rows, 1], those [rows] that the machine gives by itself."""
        return certainty(predictions) >= (self.threshold if self.rule == "probability_at_least" else -self.threshold)

    def decide(self, certain: float) -> tuple[bool, float]:
        """Whether the machine gives one answer, of that certainty, and what it is then expected to save in yen.

        How likely an answer is wrong: of probabilities, what is left beside the top one; of values, what it was on the
        validation rows. In plain numbers, because a server decides on one row at a time.
        """
        if self.rule == "probability_at_least":
            by_machine, wrong = certain >= self.threshold, 1 - certain
        else:
            by_machine, wrong = certain >= -self.threshold, self.error_share
        prices = self.prices
        return by_machine, prices.by_hand_yen - (prices.error_yen * wrong if by_machine else prices.check_yen)


def certainty(predictions: Array) -> npt.NDArray[np.float64]:
    """What the policy's threshold is compared with, [rows]: the top probability, or the value with its sign turned.

    Large values are taken to be the uncertain ones: the machine may answer up to a limit.
    """
    values = np.asarray(predictions, dtype=np.float64)
    return values.max(axis=1) if values.shape[1] > 1 else -values[:, 0]


def saved(prices: Prices, by_machine: Array, wrong: Array) -> npt.NDArray[np.float64]:
    """Yen saved by each answer against doing it by hand; all arguments broadcast."""
    return prices.by_hand_yen - np.where(by_machine, prices.error_yen * np.asarray(wrong), prices.check_yen)
