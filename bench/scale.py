"""Collect, validate and prepare at growing numbers of rows, made up from a use case's declarations.

Run it in an empty folder with `configs/`, `use_cases/` and `params.yaml`: `python -m bench.scale STEP ROWS`. It prints
seconds and peak memory.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from datetime import date, timedelta

import numpy as np
import polars as pl

from portfolio.contract.loading import load_use_case, use_case_names
from portfolio.contract.made_up import made_up_rows
from portfolio.contract.sources import Source
from portfolio.contract.use_case import UseCase
from portfolio.core.paths import Paths
from portfolio.data.collect import collect

STEPS = ("collect", "validate", "prepare")
FIRST_DAY = date(2026, 1, 5)
DAYS = 24


class MadeUp(Source):
    """As many rows as asked for, dealt to days."""

    def __init__(self, use_case: UseCase, rows: int) -> None:
        super().__init__(key=use_case.key)
        self._use_case = use_case
        self._bounds = np.linspace(0, rows, DAYS + 1).astype(int)

    def dates(self) -> list[date]:
        return [FIRST_DAY + timedelta(days=number) for number in range(DAYS)]

    def read(self, days: list[date]) -> dict[date, pl.DataFrame]:
        return {day: self._rows((day - FIRST_DAY).days) for day in days}

    def _rows(self, number: int) -> pl.DataFrame:
        return made_up_rows(self._use_case, int(self._bounds[number + 1] - self._bounds[number]), seed=number)


def main(step: str, rows: int) -> None:
    use_case = load_use_case(use_case_names()[0])
    config = use_case.config()
    stage = None if step == "collect" else importlib.import_module(f"portfolio.stages.{step}")
    idle_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    if stage is None:
        collect(MadeUp(use_case, rows), Paths(use_case.name).batches)
    else:
        stage.run(use_case, config)
    seconds = time.perf_counter() - started
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "peak_mib": peak_kib / 1024, "idle_mib": idle_kib / 1024}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
