"""Names for the columns of data beside those that the project adds: neither ever replaces the other."""

from __future__ import annotations

from collections.abc import Collection

GIVEN = "_given"


def given_names(columns: Collection[str], ours: Collection[str]) -> dict[str, str]:
    """New names for the columns that have one of ours: `reason` becomes `reason_given`, which none of them has yet."""
    taken = {*columns, *ours}
    found: dict[str, str] = {}
    for name in columns:
        if name in ours:
            new = name
            while new in taken:
                new += GIVEN
            taken.add(new)
            found[name] = new
    return found
