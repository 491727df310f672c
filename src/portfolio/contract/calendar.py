"""What follows from a date, as numbers beside its days: the day of the week, and the place in the year."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from portfolio.contract.graph_features import Built

WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
FIRST_WEEKDAY = 3
"""1970-01-01, from which days are counted, was a Thursday."""
DAYS_OF_A_YEAR = 365.2425


def calendar_names(name: str) -> list[str]:
    """What the features of a date are called, in their order."""
    return [f"{name}: {what}" for what in (*WEEK, "sine of the year", "cosine of the year")]


def calendar(built: Built, days: str) -> list[str]:
    """Their tensors, float32 [rows, 1] each; NaN where the date is missing. `days` is the date's tensor."""
    since_monday = built.add("Add", days, built.constant(FIRST_WEEKDAY))
    weekday = _within(built, since_monday, 7)
    gone, zero, one = built.add("IsNaN", days), built.constant(0.0), built.constant(1.0)
    found = []
    for number in range(len(WEEK)):
        is_it = built.add("Where", built.add("Equal", weekday, built.constant(number)), one, zero)
        found.append(built.add("Where", gone, days, is_it))
    # The place in the year first: the sine of thousands of turns would lose the digits that count.
    place = _within(built, built.add("Div", days, built.constant(DAYS_OF_A_YEAR)), 1)
    angle = built.add("Mul", place, built.constant(2 * np.pi))
    return [*found, built.add("Sin", angle), built.add("Cos", angle)]


def _within(built: Built, value: str, period: int) -> str:
    """The value less the whole periods in it. ONNX's Mod of floats has the sign of the value: before 1970, below 0."""
    whole = built.add("Floor", built.add("Div", value, built.constant(period)))
    return built.add("Sub", value, built.add("Mul", whole, built.constant(period)))
