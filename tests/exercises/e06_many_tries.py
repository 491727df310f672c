"""A solution of exercises/e06_many_tries."""

from __future__ import annotations

from math import pi


def significance(attempt: int) -> float:
    return 0.025 * 6 / (pi * attempt) ** 2
