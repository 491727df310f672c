"""Labels as text: a category is written in one way, whether it comes from a table, a request or a log."""

from __future__ import annotations

from math import isfinite


def category_text(value: str | bool | int | float) -> str:
    """The text of a category: True is "true", 1 and 1.0 are "1", 2.5 is "2.5", and a string stays as it is.

    A column of integers with gaps is often read as floats, and its labels must not change with that.
    Raises ValueError for NaN and infinity, TypeError for anything but text, a boolean or a number.
    """
    # NumPy's own scalars are not Python's.
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not isfinite(value):
            raise ValueError(f"{value} is not a label")
        return str(int(value)) if value.is_integer() else str(value)
    raise TypeError(f"a label must be text, a boolean or a number, not {type(value).__name__}")
