"""How many rows of a window say something of their own.

A row that comes again and again, from an uptime probe or a client that tries again, says no more than the first
time. Were its copies taken for as many rows, what they share would look like what all rows have become.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from portfolio.core.types import Array

Hashes = npt.NDArray[np.uint64]


class Copies:
    """Rows of a window by what they are; eight bytes are kept of each."""

    def __init__(self) -> None:
        self._parts: list[Hashes] = []
        self._independent: float | None = None

    def add(self, inputs: Mapping[str, Array]) -> None:
        """Rows, by field [rows, width]; the fields are in the same order each time."""
        columns = np.concatenate([_bits(values) for values in inputs.values()], axis=1)
        # A sum of numbers that are multiplied at random is as good as any hash, and takes no time of a window.
        odd = np.random.default_rng(0).integers(0, 2**64, columns.shape[1], dtype=np.uint64) | np.uint64(1)
        self._parts.append(columns @ odd)
        self._independent = None

    @property
    def independent(self) -> float:
        """Of how many different rows a mean would vary as much (Kish 1965): all rows, if none came twice."""
        if self._independent is None:
            hashes = np.concatenate([np.zeros(0, dtype=np.uint64), *self._parts])
            counts = np.unique(hashes, return_counts=True)[1].astype(np.float64)
            self._independent = float(counts.sum() ** 2 / max((counts**2).sum(), 1))
        return self._independent


def _bits(values: Array) -> Hashes:
    if values.dtype == object:
        texts = [hash(text) for text in values.ravel().tolist()]
        return np.array(texts, dtype=np.int64).view(np.uint64).reshape(values.shape)
    return np.ascontiguousarray(values, dtype=np.float32).view(np.uint32).astype(np.uint64)
