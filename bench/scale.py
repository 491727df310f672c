"""Collect, validate and prepare at growing numbers of rows: the digits, repeated under new identities.

Run it in an empty folder with `configs/`: `python -m bench.scale STEP ROWS`. It prints seconds and peak memory.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from datetime import date

import numpy as np
import polars as pl
from portfolio.use_cases.digits.source import EmbeddedDigits

from portfolio.contract.config import Collect
from portfolio.contract.loading import load_use_case
from portfolio.contract.sources import Source, arrived
from portfolio.core.paths import Paths
from portfolio.data.collecting import collect

STEPS = ("collect", "validate", "prepare")


class ManyDigits(Source):
    """As many rows as asked for, dealt to the days of the config."""

    def __init__(self, config: Collect, rows: int) -> None:
        self._config = config
        self._rows = rows

    def dates(self) -> list[date]:
        return arrived(self._config)

    def read(self, days: list[date]) -> dict[date, pl.DataFrame]:
        digits = pl.concat(EmbeddedDigits(self._config.model_copy(update={"batches": 1})).read([days[0]]).values())
        bounds = np.linspace(0, self._rows, len(days) + 1).astype(int)
        return {
            day: digits[np.arange(start, stop) % len(digits)].with_columns(
                pl.Series("form_id", [f"form-{number:07d}" for number in range(start, stop)]),
                pl.lit(day).alias("scanned_on"),
            )
            for day, start, stop in zip(days, bounds[:-1], bounds[1:], strict=True)
        }


def main(step: str, rows: int) -> None:
    use_case = load_use_case("digits")
    config = use_case.config()
    stage = None if step == "collect" else importlib.import_module(f"portfolio.stages.{step}")
    idle_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    if stage is None:
        collect(ManyDigits(config.collect, rows), Paths("digits").batches)
    else:
        stage.run(use_case, config)
    seconds = time.perf_counter() - started
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "peak_mib": peak_kib / 1024, "idle_mib": idle_kib / 1024}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
