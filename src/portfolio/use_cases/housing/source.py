"""The housing file on the web, dealt to days by a hash of the row, since it has no dates."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from portfolio.contract.config import Collect
from portfolio.contract.sources import Source, arrived
from portfolio.core.download import download
from portfolio.core.errors import SourceError
from portfolio.core.hashing import uniform

CACHE = Path("data") / "downloads"


class HousingFile(Source):
    def __init__(self, collect: Collect) -> None:
        self._collect = collect

    def dates(self) -> list[date]:
        return arrived(self._collect)

    def read(self, days: list[date]) -> dict[date, pl.DataFrame]:
        assert self._collect.sha256 is not None
        path = download(str(self._collect.url), self._collect.sha256, CACHE)
        try:
            rows = pl.read_csv(path)
        except pl.exceptions.PolarsError as error:
            raise SourceError(f"{self._collect.url} is not a CSV file ({error}). Pin another one.") from error
        rows = rows.with_columns(
            pl.format("district-{}", pl.int_range(pl.len()).cast(pl.String).str.zfill(5)).alias("district_id")
        )
        shares = uniform(rows.select(pl.col("district_id")), salt="batch")
        numbers = (shares * self._collect.batches).astype(int)
        return {
            day: rows.filter(pl.Series(numbers == (day - self._collect.start).days)).with_columns(
                pl.lit(day).alias("collected_on")
            )
            for day in days
        }
