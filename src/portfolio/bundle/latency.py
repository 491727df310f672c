"""How long a bundle takes for one row."""

from __future__ import annotations

import time

import numpy as np

from portfolio.bundle.bundle import Bundle
from portfolio.core.types import Array

RUNS = 200


def latency_ms(bundle: Bundle, inputs: dict[str, Array]) -> float:
    """The median time of one row, the first of `inputs`, in milliseconds."""
    row = {name: array[:1] for name, array in inputs.items()}
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        bundle.predict(row)
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds) * 1000)
