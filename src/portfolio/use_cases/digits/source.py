"""The 1,797 handwritten digits inside scikit-learn (UCI, Alpaydin and Kaynak 1998), as forms scanned day by day."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from portfolio.contract.config import Collect
from portfolio.contract.sources import Source, arrived


class EmbeddedDigits(Source):
    """Deals the digits, in their order, to the days of the config."""

    def __init__(self, collect: Collect) -> None:
        self._collect = collect

    def dates(self) -> list[date]:
        return arrived(self._collect)

    def read(self, days: list[date]) -> dict[date, pl.DataFrame]:
        rows = _rows()
        bounds = np.linspace(0, len(rows), self._collect.batches + 1).astype(int)
        numbers = {day: (day - self._collect.start).days for day in days}
        return {
            day: rows[bounds[number] : bounds[number + 1]].with_columns(pl.lit(day).alias("scanned_on"))
            for day, number in numbers.items()
        }


def _rows() -> pl.DataFrame:
    # The file itself, not load_digits(): importing scikit-learn takes seconds that collecting does not need.
    import gzip
    from importlib.util import find_spec

    spec = find_spec("sklearn")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    path = f"{spec.submodule_search_locations[0]}/datasets/data/digits.csv.gz"
    with gzip.open(path, "rt") as stream:
        table = np.loadtxt(stream, delimiter=",", dtype=np.uint8)
    return pl.DataFrame(
        {
            "form_id": [f"form-{number:04d}" for number in range(len(table))],
            "pixels": pl.Series(table[:, :64], dtype=pl.Array(pl.UInt8, 64)),
            "digit": table[:, 64].astype(np.int8),
        }
    )
