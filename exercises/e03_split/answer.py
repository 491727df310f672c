"""A split in which no row ever moves."""

from __future__ import annotations

from collections.abc import Sequence


def is_test(keys: Sequence[str], fraction: float) -> list[bool]:
    """Which rows are test rows: about `fraction` of the different keys.

    The answer for a key depends on the key alone: not on the other rows, their order, or when the program is run.
    Rows with the same key, such as the visits of one patient, are on the same side.
    """
    raise NotImplementedError
