"""What follows from a date, as numbers beside its days: the day of the week, and the place in the year."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from portfolio.contract.sql_nodes import Nodes

WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
FIRST_WEEKDAY = 3
"""1970-01-01, from which days are counted, was a Thursday."""
DAYS_OF_A_YEAR = 365.2425


def calendar_names(name: str) -> list[str]:
    """What the features of a date are called, in their order."""
    return [f"{name}: {what}" for what in (*WEEK, "sine of the year", "cosine of the year")]


def calendar(nodes: Nodes, days: str) -> list[str]:
    """Their tensors, float32 [rows, 1] each; NaN where the date is missing. `days` is the date's tensor."""
    since_monday = nodes.add("Add", days, nodes.constant(FIRST_WEEKDAY))
    weekday = _within(nodes, since_monday, 7)
    gone, zero, one = nodes.add("IsNaN", days), nodes.constant(0.0), nodes.constant(1.0)
    found = []
    for number in range(len(WEEK)):
        is_it = nodes.add("Where", nodes.add("Equal", weekday, nodes.constant(number)), one, zero)
        found.append(nodes.add("Where", gone, days, is_it))
    # The place in the year first: the sine of thousands of turns would lose the digits that count.
    place = _within(nodes, nodes.add("Div", days, nodes.constant(DAYS_OF_A_YEAR)), 1)
    angle = nodes.add("Mul", place, nodes.constant(2 * np.pi))
    return [*found, nodes.add("Sin", angle), nodes.add("Cos", angle)]


def _within(nodes: Nodes, value: str, period: int) -> str:
    """The value less the whole periods in it. ONNX's Mod of floats has the sign of the value: before 1970, below 0."""
    whole = nodes.add("Floor", nodes.add("Div", value, nodes.constant(period)))
    return nodes.add("Sub", value, nodes.add("Mul", whole, nodes.constant(period)))
