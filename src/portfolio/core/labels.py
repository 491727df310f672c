"""Labels as text: a category is written in one way, wherever it comes from; and how labels are listed in a message."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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


def declared(text: str, known: Collection[str]) -> str:
    """The known label that a text stands for: with spaces around it, " 1.0" is "1", and "TRUE" is "true".

    Where it stands for none, the text as it is.
    """
    if text in known:
        return text
    word = text.strip()
    for form in (word, _as_number(word), word.lower() if word.lower() in ("true", "false") else ""):
        if form in known:
            return form
    return text


def _as_number(word: str) -> str:
    """The label of a number that a table has as text, since it has other text too; empty for anything else."""
    try:
        return category_text(float(word))
    except ValueError:
        return ""


def listed(names: Sequence[str], most: int = 10) -> str:
    """The names in one line; of many the first, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
