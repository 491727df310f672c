"""Have the inputs changed?"""

from __future__ import annotations

from collections.abc import Sequence


def stability_index(reference: Sequence[float], live: Sequence[float]) -> float:
    """The population stability index of a field: the sum over its bins of (live - reference) * ln(live / reference).

    Both are shares of rows by bin, and sum to 1. A share below 0.0001 counts as 0.0001, so that an empty bin gives a
    large number, and not an error.
    """
    raise NotImplementedError
