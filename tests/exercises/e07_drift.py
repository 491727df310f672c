"""A solution of exercises/e07_drift."""

from __future__ import annotations

from collections.abc import Sequence
from math import log


def stability_index(reference: Sequence[float], live: Sequence[float]) -> float:
    pairs = [(max(old, 1e-4), max(new, 1e-4)) for old, new in zip(reference, live, strict=True)]
    return sum((new - old) * log(new / old) for old, new in pairs)
