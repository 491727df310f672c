"""Names for the columns of data beside those that the project adds: neither ever replaces the other."""

from __future__ import annotations

from collections.abc import Collection


def other_names(columns: Collection[str], taken: Collection[str], ending: str = "_given") -> dict[str, str]:
    """New names for those of the columns whose name is taken: `reason` becomes `reason_given`, if that is free."""
    used = {*columns, *taken}
    found: dict[str, str] = {}
    for name in columns:
        if name in taken:
            new = name
            while new in used:
                new += ending
            used.add(new)
            found[name] = new
    return found
