"""What cells of different sizes leave in common between training and test rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from bench.cells import FACTORS, measure
from portfolio.contract.loading import load_use_case
from portfolio.contract.sources import Cell
from portfolio.core.errors import ConfigError
from portfolio.core.paths import Paths


def test_larger_cells_leave_fewer_neighbours_and_less_even_splits(
    built: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    built("toy")
    case = load_use_case("toy")
    rows = pl.read_parquet(min(Paths("toy").clean.iterdir())).drop_nulls()
    with pytest.raises(ConfigError, match="no Cell in split_by"):
        measure(case, rows)
    monkeypatch.setattr(case.source, "split_by", (Cell("weight", 0.02),))
    found = measure(case, rows)
    alone, *sizes = found["sizes"]
    assert alone["sizes"] is None
    assert alone["units"] == len(rows)
    assert [row["sizes"] for row in sizes] == [[pytest.approx(0.02 * factor)] for factor in FACTORS]
    units = [row["units"] for row in sizes]
    assert units == sorted(units, reverse=True)
    assert sizes[-1]["near"][0] < 0.2 < 0.5 < alone["near"][0]
    assert sizes[-1]["test_share_deviation"] > 2 * alone["test_share_deviation"]
    for row in found["sizes"]:
        assert row["near"] == sorted(row["near"])
        assert row["metric"] > 0
