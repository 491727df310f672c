"""Tables of whatever program, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from portfolio.contract.format import Format
from portfolio.contract.tables import kind_of_table, read_table
from portfolio.core.errors import SourceError
from tests.profiling.made import workbook

COLUMNS: dict[str, list[object]] = {"age": [30, 999, 40], "town": ["Osaka", "Nara", "?"]}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    paths = {
        kind: tmp_path / f"rows.{end}" for kind, end in (("csv", "csv"), ("parquet", "parquet"), ("workbook", "xlsx"))
    }
    pl.DataFrame(COLUMNS).write_csv(paths["csv"])
    pl.DataFrame(COLUMNS).write_parquet(paths["parquet"])
    workbook(paths["workbook"], COLUMNS)
    return paths


@pytest.mark.parametrize("kind", ["csv", "parquet", "workbook"])
def test_the_same_rows_with_the_same_missing_values(files: dict[str, Path], kind: str) -> None:
    assert kind_of_table(files[kind]) == kind
    rows = read_table(files[kind], "rows", Format(missing={"age": ("999",)}))
    assert rows.to_dict(as_series=False) == {"age": [30, None, 40], "town": ["Osaka", "Nara", "?"]}


def test_999_is_missing_however_the_number_is_written(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("size\n1.5\n999\n999.0\n2\n")
    rows = read_table(path, "rows", Format(missing={"size": ("999",)}))
    assert rows["size"].to_list() == [1.5, None, None, 2]


@pytest.mark.parametrize("kind", ["parquet", "workbook"])
def test_a_file_that_was_cut_off_is_refused(files: dict[str, Path], kind: str) -> None:
    whole = files[kind].read_bytes()
    files[kind].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"cut off|damaged|ZIP"):
        read_table(files[kind], str(files[kind]), Format())


def test_text_that_is_stored_as_bytes_is_read_as_text(tmp_path: Path) -> None:
    """As some programs write Parquet; what is no text stays what it is."""
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"town": ["大阪".encode(), b"?"], "picture": [b"\xff\xd8", b"\xff"]}).write_parquet(path)
    rows = read_table(path, "rows", Format(missing={"town": ("?",)}))
    assert rows["town"].to_list() == ["大阪", None]
    assert rows.schema["picture"] == pl.Binary
