"""Each file in the folder is one batch, of the date in its name or in its rows."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from portfolio.contract import Folder
from portfolio.contract.folder import date_in
from portfolio.core.errors import SourceError
from portfolio.data.collect import collect

ROWS = "age,town\n30,Osaka\n40,Nara\n"


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("sales-2026-01-31.csv", date(2026, 1, 31)),
        ("2026_02.csv", date(2026, 2, 28)),
        ("20260131.csv", date(2026, 1, 31)),
        ("売上2026.01.31.xlsx", date(2026, 1, 31)),
        ("sales-2026-02-30.csv", None),
        ("sales-2026-13-01.csv", None),
        ("order1202601319.csv", None),
        ("sales.csv", None),
    ],
)
def test_the_date_in_a_name(name: str, day: date | None) -> None:
    assert date_in(name) == day


def test_each_file_is_a_batch_and_a_later_one_is_added(tmp_path: Path) -> None:
    folder, batches = tmp_path / "files", tmp_path / "batches"
    folder.mkdir()
    (folder / "sales-2026-01.csv").write_text(ROWS)
    (folder / ".sales-2026-02.csv.swp").write_text("")
    (folder / "~$sales-2026-02.xlsx").write_text("")
    source = Folder(str(folder))
    assert collect(source, batches).added == ["2026-01-31"]
    pl.DataFrame({"age": [50], "town": ["Kobe"]}).write_parquet(folder / "sales-2026-02.parquet")
    assert collect(source, batches).added == ["2026-02-28"]
    assert collect(source, batches).added == []


def test_without_a_date_in_the_name_the_last_one_of_the_rows_counts(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("day,age\n2026-01-30,30\n2026年2月3日,40\n")
    assert Folder(str(tmp_path), date="day").dates() == [date(2026, 2, 3)]


def test_a_file_of_a_month_to_come_waits_and_is_named(tmp_path: Path) -> None:
    folder, batches, today = tmp_path / "files", tmp_path / "batches", date.today()
    folder.mkdir()
    (folder / "sales-2099-01-31.csv").write_text(ROWS)
    with pytest.raises(SourceError, match=r"sales-2099-01-31\.csv is of 2099-01-31, which is still to come"):
        collect(Folder(str(folder)), batches)
    # One that is named by this month is of its last day.
    (folder / f"sales-{today:%Y-%m}.csv").write_text(ROWS)
    found = collect(Folder(str(folder)), batches)
    assert len(found.added) == 1
    assert found.added[0].startswith(f"{today:%Y-%m}")
    assert "sales-2099-01-31.csv is of 2099-01-31, which is still to come" in str(found)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["sales.csv"], r"nothing says of which day.*sales-2026-01-31.csv"),
        (["a-2026-01.csv", "b-2026-01-31.csv"], "both of 2026-01-31"),
        (["photo-2026-01-31.jpg"], "their names end in .csv"),
    ],
)
def test_a_file_that_can_be_no_batch_is_named(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        (tmp_path / name).write_text(ROWS)
    with pytest.raises(SourceError, match=message):
        Folder(str(tmp_path)).dates()


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="put the first file into it"):
        collect(Folder(str(tmp_path)), tmp_path / "batches")
    with pytest.raises(SourceError, match="files is not there"):
        collect(Folder(str(tmp_path / "files")), tmp_path / "batches")
