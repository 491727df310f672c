"""A solution of exercises/e02_threshold."""

from __future__ import annotations


def threshold(check: float, error: float) -> float:
    return max(0.0, 1 - check / error)
