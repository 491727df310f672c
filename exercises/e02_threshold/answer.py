"""How sure must the machine be to answer on its own?"""

from __future__ import annotations


def threshold(check: float, error: float) -> float:
    """The probability of being right from which on answering is expected to cost no more than a check.

    `check` and `error` are in yen, both positive. A probability is at least 0.
    """
    raise NotImplementedError
