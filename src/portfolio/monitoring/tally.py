"""How the values of a window fall into the bins of a reference. Tallies add up, so a window is read in parts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from portfolio.bundle.manifest import Reference
from portfolio.bundle.policy import Floats
from portfolio.core.types import Array

Counts = npt.NDArray[np.int64]
# Of the values beyond a reference, so many are kept, or twice as many for a moment.
KEPT = 1_000


@dataclass
class Beyond:
    """The values on one side of a reference: how many there are, and some of them, from all parts of the window."""

    count: int = 0
    values: Floats = field(default_factory=lambda: np.zeros(0))
    every: int = 1
    """Of so many values one is kept."""

    def add(self, values: Array) -> None:
        self.values = np.concatenate([self.values, values[-self.count % self.every :: self.every]])
        self.count += len(values)
        while len(self.values) > 2 * KEPT:
            self.values, self.every = self.values[::2], 2 * self.every


@dataclass
class Tally:
    reference: Reference
    counts: Counts = field(init=False)
    """By bin or category, then the missing ones, then the categories that the reference does not have."""
    outside: int = 0
    """Below the smallest or above the largest value of the reference, or of no category that it has."""
    below: Beyond = field(default_factory=Beyond)
    above: Beyond = field(default_factory=Beyond)

    def __post_init__(self) -> None:
        self.counts = np.zeros(len(self.reference.shares) + 2, dtype=np.int64)

    def add(self, values: Array) -> Array:
        """Count values [rows], floats or texts; says which the reference does not reach, bool [rows]."""
        if self.reference.categories:
            places = {category: place for place, category in enumerate(self.reference.categories)}
            places |= {"": len(places)}
            found = np.array([places.get(text, len(places)) for text in values.tolist()], dtype=np.int64)
            self.counts += np.bincount(found, minlength=len(self.counts))
            strange = found == len(places)
        else:
            present = np.isfinite(values)
            bins = np.digitize(values[present], self.reference.edges)
            self.counts[:-2] += np.bincount(bins, minlength=len(self.counts) - 2)
            self.counts[-2] += np.count_nonzero(~present)
            low, high = self.reference.low, self.reference.high
            strange = np.zeros(len(values), dtype=bool)
            if low is not None and high is not None:
                is_below, is_above = values < low, values > high
                strange = is_below | is_above
                if strange.any():
                    self.below.add(values[is_below])
                    self.above.add(values[is_above])
        self.outside += int(np.count_nonzero(strange))
        return np.asarray(strange)

    @property
    def rows(self) -> int:
        return int(self.counts.sum())


def counts_of(reference: Reference) -> Counts:
    """The rows of the reference itself, as a tally has them."""
    missing = round(reference.rows * reference.missing_share)
    shares = np.array(reference.shares)
    found = np.round(shares * (reference.rows if reference.categories else reference.rows - missing)).astype(np.int64)
    return np.concatenate([found, [missing, 0]])
