"""Labels as text: the categories and classes of the data, whatever type they come in."""

from __future__ import annotations


def category_text(value: object) -> str:
    """The text that names a category: "1" for 1, 1.0 and "1"; "true" for True. Text stays as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
