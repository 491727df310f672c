"""Collected rows, repeated to any number."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from bench.scale import Repeated
from portfolio.contract import Csv
from portfolio.data.collect import collect

DAYS = [date(2026, 1, 5), date(2026, 1, 7)]


@pytest.mark.parametrize("key", ["form", None])
def test_rows_are_repeated_under_keys_of_their_own(tmp_path: Path, key: str | None) -> None:
    like = Csv(path="rows.csv", key=key, start="2026-01-05")
    batches = tmp_path / "collected"
    batches.mkdir()
    for number, day in enumerate(DAYS):
        keys = [f"{day}-{place}" for place in range(3)]
        rows = pl.DataFrame({like.key: keys, "ink": [10 * number + place for place in range(3)]})
        rows.write_parquet(batches / f"{day}.parquet")
    done = collect(Repeated(like, batches, 100), tmp_path / "many" / "batches")
    assert (done.added, done.rows) == ([str(day) for day in DAYS], 100)
    many = pl.concat([pl.read_parquet(tmp_path / "many" / "batches" / f"{day}.parquet") for day in DAYS])
    assert many[like.key].n_unique() == 100
    assert many["ink"].value_counts()["count"].max() == 17
    assert set(many["ink"]) == {0, 1, 2, 10, 11, 12}
