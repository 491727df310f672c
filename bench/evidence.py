"""The evaluation of all candidates at 10,000 rows: figures, and the samples behind their intervals.

Run it where the loop has run: `python -m bench.evidence`. The test rows are repeated; the answers are the bundles' own.
"""

from __future__ import annotations

import json
import time

import numpy as np

from portfolio.bundle.bundle import Bundle
from portfolio.contract.loading import load_use_case
from portfolio.core.paths import Paths, default_use_case
from portfolio.data.dataset import load_split
from portfolio.evaluation.comparison import Evaluated, compare

ROWS = 10_000


def main() -> None:
    use_case = load_use_case(default_use_case())
    config = use_case.config()
    val, test = load_split(use_case, "val"), load_split(use_case, "test")
    many = test.take(np.arange(ROWS) % len(test))
    candidates = {}
    for name, folder in Paths(use_case.name).candidates().items():
        bundle = Bundle.open(folder)
        candidates[name] = Evaluated(bundle, bundle.predict(val.inputs), bundle.predict(many.inputs))
    started = time.perf_counter()
    compare(use_case, config, candidates, val, many)
    print(json.dumps({"candidates": len(candidates), "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
