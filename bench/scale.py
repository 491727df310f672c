"""Collect, validate and prepare at growing numbers of rows: those of the first use case, repeated under new keys.

Run it where a `params.yaml`, `configs/` and `use_cases/` are, and nothing has been collected:
`python -m bench.scale STEP ROWS BATCHES`, where BATCHES is a folder of batches that were collected elsewhere.
It prints seconds and peak memory.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from portfolio.contract.loading import load_use_case
from portfolio.contract.sources import Source
from portfolio.core.paths import Paths, default_use_case
from portfolio.data.collect import collect

STEPS = ("collect", "validate", "prepare")
FIRST_DAY = date(2026, 1, 5)
DAYS = 24


class Repeated(Source):
    """The rows of collected batches, repeated up to `count` rows with a key of its own each, on the same days."""

    def __init__(self, like: Source, batches: Path, count: int) -> None:
        super().__init__(key=like.key if like.has_key else None, split_by=like.split_by, date=like.date)
        self._batches = sorted(batches.glob("*.parquet"))
        self._count = count

    def dates(self) -> list[date]:
        return [date.fromisoformat(path.stem) for path in self._batches]

    def read(self, days: list[date]) -> dict[date, pl.DataFrame]:
        rows = pl.concat([pl.read_parquet(path).drop(self.key) for path in self._batches], how="vertical_relaxed")
        bounds = np.linspace(0, self._count, len(days) + 1).astype(int)
        return {
            day: self._with_keys(rows[np.arange(start, stop) % len(rows)], start)
            for day, start, stop in zip(days, bounds[:-1], bounds[1:], strict=True)
        }

    def _with_keys(self, rows: pl.DataFrame, start: int) -> pl.DataFrame:
        # Without a key in the data, `collect` adds one.
        if not self.has_key:
            return rows
        return rows.with_columns(pl.Series(self.key, [f"{start + number:09d}" for number in range(len(rows))]))


def main(step: str, rows: int, batches: Path) -> None:
    use_case = load_use_case(default_use_case())
    config = use_case.config()
    stage = None if step == "collect" else importlib.import_module(f"portfolio.stages.{step}")
    idle_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    if stage is None:
        collect(Repeated(use_case.source, batches, rows), Paths(use_case.name).batches)
    else:
        stage.run(use_case, config)
    seconds = time.perf_counter() - started
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "peak_mib": peak_kib / 1024, "idle_mib": idle_kib / 1024}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
