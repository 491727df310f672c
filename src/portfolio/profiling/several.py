"""Categories whose cells say more than one thing: several choices, or a number among words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

SEPARATORS = (", ", ";", "|", "、")
MIN_SEVERAL = 3
MIN_NUMBERED = 10
"""Of fewer different ones, such as 6th and 7th, each is a category."""
NUMBERED = re.compile(r"(\D*)\d+(?:\.\d+)?(\D*)")


def several(values: Sequence[str]) -> str:
    """What to say of these categories; empty if each says one thing."""
    return _of_choices(values) or _of_numbers(values)


def _of_choices(values: Sequence[str]) -> str:
    for separator in SEPARATORS:
        parts = [[part.strip() for part in value.split(separator)] for value in values]
        mixed = [value for value, found in zip(values, parts, strict=True) if len(found) > 1]
        # A place and its country differ in each; of choices, the same ones come in many combinations.
        if len(mixed) >= MIN_SEVERAL and len({part for found in parts for part in found}) < len(values):
            return (
                f"each combination, such as '{mixed[0]}', was taken as a category, and rows with a new one are "
                "rejected. Give each choice a column of its own, with yes or no"
            )
    return ""


def _of_numbers(values: Sequence[str]) -> str:
    around = Counter(found.groups() for value in values if (found := NUMBERED.fullmatch(value)))
    ((before, after), count), *_ = around.most_common(1) or [(("", ""), 0)]
    if count < max(MIN_NUMBERED, 0.9 * len(values)):
        return ""
    example = next(
        value for value in values if (found := NUMBERED.fullmatch(value)) and found.groups() == (before, after)
    )
    return (
        f"'{example}' and the like were taken as categories, and rows with a new one are rejected. If the number in "
        "them counts or measures something, write it alone"
    )
