"""Targets as models learn them: as they are, or their logarithms with the bounds of what was learned."""

from __future__ import annotations

import numpy as np

from portfolio.contract.use_case import UseCase
from portfolio.core.types import Array

Bounds = tuple[float, float]
"""The smallest and the largest logarithm that was learned. What lies beyond would be blown up by the exponential, by a
single far-off input to infinity."""


def as_learned(use_case: UseCase, targets: Array) -> tuple[Array, Bounds | None]:
    """Targets [rows], or their logarithms and the bounds of these if the use case asks for that."""
    if not use_case.target.log:
        return targets, None
    logarithms = np.log(targets)
    return logarithms, bounds_of(logarithms)


def bounds_of(logarithms: Array) -> Bounds:
    return float(logarithms.min()), float(logarithms.max())
