"""Columns that no model takes, of whatever type Parquet has: in rejected rows they come along."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from portfolio.bundle.store import Store
from portfolio.scoring.job import Job
from tests.scoring.test_scorer import published
from tests.workspace import TOY


def bad_rows(path: Path, said: Any) -> None:
    """A row that fits, and one that does not, both with this in a column that is no input."""
    rows = {"id": ["a", "b"], "age": ["30", "old"], "town": ["A", "A"], "said": [said, said]}
    pl.DataFrame(rows).write_parquet(path)


@pytest.mark.parametrize(
    ("note", "shown"),
    [
        (b"caf\xe9", "caf\\xe9"),
        (timedelta(hours=3), "3h"),
        ([date(2026, 1, 31)], '["2026-01-31"]'),
        ({"名": "桃", "on": date(2026, 1, 31)}, '{"名": "桃", "on": "2026-01-31"}'),
        ([[1, 2], [3]], "[[1, 2], [3]]"),
        (None, None),
    ],
)
def test_what_csv_can_not_hold_is_written_as_text(store: Store, tmp_path: Path, note: Any, shown: str | None) -> None:
    published(store, tmp_path, "id")
    bad_rows(tmp_path / "in.parquet", note)
    found = Job(TOY, tmp_path / "in.parquet", tmp_path / "out.csv").run()
    assert (found.rows, found.rejected) == (1, 1)
    assert pl.read_csv(tmp_path / "out.rejected.csv")["said"].to_list() == [shown]


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        (1, date(2026, 1, 31), ["1", "2026-01-31"]),
        (1, [1], ["1", "[1]"]),
        (datetime(2026, 1, 31), datetime(2026, 1, 31, tzinfo=UTC), None),
        ("x", b"\xff", ["x", "\\xff"]),
        ({"a": 1}, {"b": "x"}, ['{"a": 1}', '{"b": "x"}']),
        (1, 0.5, [1.0, 0.5]),
        (None, 2, [None, 2]),
    ],
)
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_columns_that_differ_from_file_to_file_are_joined_as_text(
    store: Store, tmp_path: Path, one: Any, other: Any, shown: list[Any] | None, ending: str
) -> None:
    published(store, tmp_path, "id")
    (tmp_path / "in").mkdir()
    for name, note in (("a", one), ("b", other)):
        bad_rows(tmp_path / "in" / f"{name}.parquet", note)
    found = Job(TOY, tmp_path / "in", tmp_path / f"out{ending}").run()
    assert found.rejected == 2
    read = pl.read_csv if ending == ".csv" else pl.read_parquet
    notes = read(tmp_path / f"out.rejected{ending}")["said"].to_list()
    assert notes == shown if shown else all(note.startswith("2026-01-31 00:00:00") for note in notes)
