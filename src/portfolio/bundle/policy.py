"""The decision: for each row the action of least expected cost, which is to answer or to ask a person (Chow 1970)."""

from __future__ import annotations

from functools import lru_cache
from math import inf
from typing import Annotated, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, field_validator

from portfolio.core.types import Array

VALUE = "value_yen_per_1000"
"""What the metrics files call the value."""

MACHINE, PERSON = "machine", "person"
"""What an answer says of who decides."""

INTERVAL_LEVEL = 0.9
"""How many of the true values a predicted interval is to cover."""

Yen = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Floats = npt.NDArray[np.float64]


class Prices(BaseModel):
    """Yen per item. Doing everything by hand is worth 0, and everything else is compared with that."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by_hand_yen: Yen = Field(description="what an item costs without a machine, and so what a right answer saves")
    check_yen: Yen = Field(description="what it costs to have a person check an answer")
    error_yen: float | dict[str, float | dict[str, float]] = Field(
        description="what a wrong answer costs that nobody checked: one price, or one for each true class, or for each "
        "true class one for each class that may be answered instead"
    )

    @field_validator("error_yen", mode="before")
    @classmethod
    def _are_prices(cls, prices: Any) -> Any:
        """Here, and not by a union of types: of those, pydantic names every one that a wrong price is not."""
        if not isinstance(prices, dict):
            return _price(prices, "a price in yen, or a price for each class")
        return {
            _text(true): {_text(answered): _price(yen) for answered, yen in price.items()}
            if isinstance(price, dict)
            else _price(price)
            for true, price in prices.items()
        }

    def error_costs(self, classes: tuple[str, ...]) -> Floats:
        """Yen by true and answered class, [classes, classes]; a right answer costs nothing.

        Raises ValueError if the prices do not name exactly these classes.
        """
        costs = np.zeros((len(classes), len(classes)))
        if isinstance(self.error_yen, dict):
            _check_names("error_yen", self.error_yen, classes)
            for row, true in enumerate(classes):
                price = self.error_yen[true]
                if isinstance(price, dict):
                    _check_names(f"error_yen.{true}", price, tuple(name for name in classes if name != true))
                    costs[row] = [price.get(answered, 0) for answered in classes]
                else:
                    costs[row] = price
        else:
            costs[:] = self.error_yen
        np.fill_diagonal(costs, 0)
        return costs

    @property
    def highest_error_yen(self) -> float:
        """The price of the worst error."""
        if not isinstance(self.error_yen, dict):
            return self.error_yen
        prices = [list(price.values()) if isinstance(price, dict) else [price] for price in self.error_yen.values()]
        return max(max(row, default=0.0) for row in prices)


class Policy(BaseModel):
    """What a decision rests on, beside the model's own outputs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prices: Prices
    tolerance: float | None = Field(default=None, gt=0, description="how far off a value may be and still be right")
    audit_share: float = Field(
        default=0,
        ge=0,
        le=1,
        description="of the machine's own answers, the random share that a person is asked about too",
    )


class Decisions(NamedTuple):
    """What is answered, and by whom. All are [rows]."""

    answers: npt.NDArray[np.int64]
    """The class that costs least in expectation, by its place; 0 for a value."""
    certainty: Floats
    """The probability that the answer is right."""
    error_yen: Floats
    """What errors are expected to cost if the machine answers by itself."""
    by_machine: npt.NDArray[np.bool_]
    """Whether the machine answers by itself; otherwise a person checks its answer."""


class Decider:
    """Decides under a policy. Without one the machine answers everything, and an error has no price."""

    def __init__(self, policy: Policy | None, classes: tuple[str, ...], error_ratios: tuple[float, ...]) -> None:
        """`classes` in the order of the probabilities; for a regression none, and the model's `error_ratios`."""
        self._check_yen = np.inf if policy is None else policy.prices.check_yen
        self._tolerance = None if policy is None else policy.tolerance
        self._ratios = np.array(error_ratios)
        self._levels = levels(len(error_ratios))
        one_price = policy is None or not isinstance(policy.prices.error_yen, dict)
        self._error_yen = policy.prices.highest_error_yen if policy is not None and one_price else 0.0
        self._costs = None if policy is None or one_price else policy.prices.error_costs(classes)
        self._is_regression = not classes

    def __call__(self, predictions: Array) -> Decisions:
        """For probabilities [rows, classes], or for values with their error scales [rows, 2]."""
        if self._is_regression:
            certainty = self._within_tolerance(predictions)
            answers = np.zeros(len(certainty), dtype=np.int64)
            error_yen = self._error_yen * (1 - certainty)
        else:
            probabilities = predictions.astype(np.float64)
            if self._costs is None:
                answers = probabilities.argmax(axis=1)
                certainty = probabilities.max(axis=1)
                error_yen = self._error_yen * (1 - certainty)
            else:
                expected = probabilities @ self._costs
                answers = expected.argmin(axis=1)
                error_yen = expected.min(axis=1)
                certainty = probabilities[np.arange(len(answers)), answers]
        return Decisions(answers, certainty, error_yen, error_yen <= self._check_yen)

    def row(self, outputs: list[float]) -> tuple[int, float, float, bool]:
        """The same for one row, in plain Python: there, the start-up time of NumPy's functions is most of the work."""
        if self._is_regression:
            certain = 1.0
            if self._tolerance is not None:
                ratio = self._tolerance / outputs[1] if outputs[1] else inf
                certain = float(np.interp(ratio, self._ratios, self._levels, left=0))
            cost = self._error_yen * (1 - certain)
            return 0, certain, cost, cost <= self._check_yen
        if self._costs is not None:
            answers, certainty, error_yen, by_machine = self(np.array([outputs]))
            return int(answers[0]), float(certainty[0]), float(error_yen[0]), bool(by_machine[0])
        certain = max(outputs)
        cost = self._error_yen * (1 - certain)
        return outputs.index(certain), certain, cost, cost <= self._check_yen

    def _within_tolerance(self, predictions: Array) -> Floats:
        if self._tolerance is None:
            return np.ones(len(predictions))
        return np.interp(self._tolerance / predictions[:, 1].astype(np.float64), self._ratios, self._levels, left=0)


def half_widths(predictions: Array, error_ratios: tuple[float, ...], level: float = INTERVAL_LEVEL) -> Floats:
    """How far the interval that covers `level` of the true values reaches to both sides of each value, [rows]."""
    return np.asarray(interval_ratio(error_ratios, level) * predictions[:, 1].astype(np.float64))


@lru_cache(maxsize=16)
def interval_ratio(error_ratios: tuple[float, ...], level: float = INTERVAL_LEVEL) -> float:
    """The half width of that interval, in units of the error's scale."""
    return float(np.interp(level, levels(len(error_ratios)), error_ratios))


def levels(count: int) -> Floats:
    """The shares of errors that lie within so many error ratios, in increasing order."""
    return np.arange(1, count + 1) / (count + 1)


def saved(prices: Prices, by_machine: Any, error_yen: Any) -> Any:
    """Yen saved by an answer compared with doing it by hand; of arrays [rows], that of each.

    `error_yen` is what the machine's errors cost: what is expected before the truth is known, what they did after.
    """
    return prices.by_hand_yen - (by_machine * error_yen + (1 - by_machine) * prices.check_yen)


def _text(label: Any) -> str:
    """A class as text: YAML reads 0 as a number, and true as a boolean."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def _price(yen: Any, what: str = "a price in yen") -> float:
    if isinstance(yen, bool) or not isinstance(yen, int | float) or not 0 <= yen < float("inf"):
        raise ValueError(f"must be {what}, 0 or more (found {yen})")
    return float(yen)


def _check_names(where: str, priced: dict[str, Any], classes: tuple[str, ...]) -> None:
    unknown, missing = (
        [name for name in priced if name not in classes],
        [name for name in classes if name not in priced],
    )
    if unknown:
        raise ValueError(f"{where} has a price for '{unknown[0]}', which is not one of {', '.join(classes)}")
    if missing:
        raise ValueError(f"{where} has no price for '{missing[0]}'")
