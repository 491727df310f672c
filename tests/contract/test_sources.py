"""Where rows come from, and how they are dealt to batches that never change."""

from __future__ import annotations

import hashlib
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from portfolio.contract import Csv
from portfolio.core.errors import ConfigError, SourceError
from portfolio.data.collect import collect

START = date(2026, 1, 5)
NUMBERS = list(range(10))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(rows: dict[str, Any]) -> None:
    pl.DataFrame(rows).write_csv("rows.csv")


def batches(source: Csv) -> dict[date, list[Any]]:
    return {day: frame["n"].to_list() for day, frame in source.read(source.dates()).items()}


def test_a_file_is_one_batch_unless_it_is_dealt_out(folder: Path) -> None:
    write({"n": NUMBERS})
    assert batches(Csv(path="rows.csv", start="2026-01-05")) == {START: NUMBERS}
    assert batches(Csv(path="rows.csv", start=START)) == {START: NUMBERS}


def test_so_many_rows_come_a_day_in_the_order_of_the_file(folder: Path) -> None:
    write({"n": NUMBERS})
    source = Csv(path="rows.csv", start="2026-01-05", rows_per_day=4)
    assert batches(source) == {
        START: [0, 1, 2, 3],
        START + timedelta(days=1): [4, 5, 6, 7],
        START + timedelta(days=2): [8, 9],
    }
    assert list(source.read([START + timedelta(days=1)])) == [START + timedelta(days=1)]


def test_rows_are_dealt_by_the_column_that_dates_them(folder: Path) -> None:
    days = ["2026-01-06", "2026-01-05", "2026-01-06"]
    write({"n": [1, 2, 3], "day": days})
    source = Csv(path="rows.csv", date="day")
    assert source.dates() == [date(2026, 1, 5), date(2026, 1, 6)]
    assert batches(source) == {date(2026, 1, 5): [2], date(2026, 1, 6): [1, 3]}


def test_rows_of_a_month_to_come_wait_and_are_told(folder: Path) -> None:
    write({"n": NUMBERS[:3], "day": ["2026-01-05", "2098-12-01", "2099-12-01"]})
    dated = Csv(path="rows.csv", date="day")
    found = collect(dated, Path("batches"))
    assert found.added == ["2026-01-05"]
    assert "rows of 2098-12-01 or later are still to come, so they wait until then" in str(found)
    # These days say in which order rows arrive, and not when they were.
    assert len(Csv(path="rows.csv", start="2099-01-05", rows_per_day=2).dates()) == 2


def test_a_date_may_be_written_without_separators(folder: Path) -> None:
    write({"n": [1, 2], "day": [20260106, 20260105]})
    assert batches(Csv(path="rows.csv", date="day")) == {date(2026, 1, 5): [2], date(2026, 1, 6): [1]}
    write({"n": [1], "day": [2026]})
    with pytest.raises(SourceError, match="1 of 1 values of 'day' are not dates"):
        Csv(path="rows.csv", date="day").dates()


@pytest.mark.parametrize("time", ["2026-01-06 23:59:59", "2026-01-06T08:00", "2026-01-06T08:00:00.123"])
def test_a_time_belongs_to_its_day(folder: Path, time: str) -> None:
    write({"n": [1, 2], "time": [time, time]})
    assert batches(Csv(path="rows.csv", date="time")) == {date(2026, 1, 6): [1, 2]}


@pytest.mark.parametrize("arguments", [{"start": "2026-01-05", "rows_per_day": 3}, {"date": "day"}])
def test_a_batch_does_not_depend_on_how_many_there_will_be(folder: Path, arguments: dict[str, Any]) -> None:
    """The file grew at its end, from two whole batches to four."""
    days = [str(START + timedelta(days=n // 3)) for n in range(12)]
    source = Csv(path="rows.csv", **arguments)
    write({"n": list(range(6)), "day": days[:6]})
    before = batches(source)
    write({"n": list(range(12)), "day": days})
    after = batches(source)
    assert (len(before), len(after)) == (2, 4)
    assert before.items() <= after.items()


def test_a_shuffled_file_is_in_the_same_other_order_every_time(folder: Path) -> None:
    write({"n": list(range(200))})
    source = Csv(path="rows.csv", start="2026-01-05", shuffle=True)
    (once,), (again,) = batches(source).values(), batches(source).values()
    assert once == again
    assert once != list(range(200))
    assert sorted(once) == list(range(200))
    # The order follows from the rows, not from where they stand.
    write({"n": list(range(199, -1, -1))})
    assert list(batches(source).values()) == [once]


def test_a_file_on_the_web_is_fetched_and_pinned(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"n\n1\n2\n"
    mirror = folder / "mirror" / "example.org"
    mirror.mkdir(parents=True)
    (mirror / "rows.csv").write_bytes(content)
    monkeypatch.setenv("PORTFOLIO_MIRROR", str(folder / "mirror"))
    pinned = {"url": "https://example.org/rows.csv", "start": "2026-01-05"}
    assert batches(Csv(**pinned, sha256=hashlib.sha256(content).hexdigest())) == {START: [1, 2]}
    with pytest.raises(SourceError, match="is pinned"):
        Csv(**pinned, sha256="0" * 64).dates()


def test_a_row_has_a_key_or_its_place() -> None:
    source = Csv(path="rows.csv", start="2026-01-05", key="id", split_by=["person", "place"])
    assert (source.key, source.has_key, source.split_by) == ("id", True, ("person", "place"))
    bare = Csv(path="rows.csv", start="2026-01-05")
    assert (bare.key, bare.has_key, bare.split_by) == ("row", False, ())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": "2026-01-05"}, "Csv needs either url=, with the sha256= of the file, or path="),
        ({"url": "https://a.b/c", "path": "c", "sha256": "0" * 64, "start": "2026-01-05"}, "either url=.* or path="),
        ({"url": "https://a.b/c", "start": "2026-01-05"}, "needs the sha256= of https://a.b/c"),
        ({"url": "data/c.csv", "start": "2026-01-05"}, "must begin with https:// or http://. For a file .* path="),
        ({"url": "https://me:s3@a.b/c", "sha256": "0" * 64, "start": "2026-01-05"}, "has a password or a token in it"),
        ({"path": "https://a.b/c", "start": "2026-01-05"}, "path='https://a.b/c' is an address. Give it as url="),
        ({"path": "c", "sha256": "xyz", "start": "2026-01-05"}, "sha256='xyz' must be 64 digits"),
        ({"path": "c", "encoding": "utf-88", "start": "2026-01-05"}, "no encoding 'utf-88'. Common ones are utf-8"),
        ({"path": "c", "separator": "", "start": "2026-01-05"}, "separator='' must be one character"),
        ({"path": "c", "decimal": ";", "start": "2026-01-05"}, "decimal=';' must be"),
        ({"path": "c", "skip_rows": -1, "start": "2026-01-05"}, "skip_rows .* can't be negative"),
        ({"path": "c"}, "either date=, .* or start="),
        ({"path": "c", "date": "day", "start": "2026-01-05"}, "either date=, .* or start="),
        ({"path": "c", "start": "2026-13-05"}, "start='2026-13-05' is not a date .*Write it as 2026-01-31"),
        ({"path": "c", "date": "day", "rows_per_day": 5}, "goes with start=, not with date="),
        ({"path": "c", "start": "2026-01-05", "rows_per_day": 0}, "rows_per_day must be at least 1"),
    ],
)
def test_arguments_that_do_not_go_together_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Csv(**arguments)


def test_a_missing_file_is_named_with_the_remedy(folder: Path) -> None:
    with pytest.raises(SourceError, match=r"rows\.csv is missing\. Put the file there, or correct path="):
        Csv(path="rows.csv", start="2026-01-05").dates()


def test_a_local_file_may_be_pinned_and_given_by_its_address(folder: Path) -> None:
    content = b"n\n1\n"
    (folder / "my rows.csv").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    address = (folder / "my rows.csv").as_uri()
    assert batches(Csv(url=address, start="2026-01-05")) == {START: [1]}
    assert batches(Csv(path=str(folder / "my rows.csv"), sha256=digest.upper(), start="2026-01-05")) == {START: [1]}
    with pytest.raises(SourceError, match=r"my rows\.csv has SHA-256 .* is pinned"):
        Csv(path="my rows.csv", sha256="0" * 64, start="2026-01-05").dates()


@pytest.mark.parametrize(
    ("days", "message"),
    [
        (["2026-01-05", "soon"], "1 of 2 values of 'day' are not dates"),
        (["2026-01-05", None], "1 of 2 values of 'day' are not dates"),
        (["x", "y"], "2 of 2 values of 'day' are not dates"),
    ],
)
def test_a_value_that_is_no_date_is_named(folder: Path, days: list[str | None], message: str) -> None:
    write({"n": [1, 2], "day": days})
    with pytest.raises(SourceError, match=message):
        Csv(path="rows.csv", date="day").dates()
    with pytest.raises(SourceError, match=re.escape("no column 'when' to date the rows by. There are: n, day.")):
        Csv(path="rows.csv", date="when").dates()


@pytest.mark.parametrize(
    "times",
    [
        ["2026-01-05T00:30:00+09:00", "2026-01-06T23:30:00+09:00"],
        ["2026-01-05 00:30+0900", "2026-01-06 23:30+0900"],
        ["2026-01-05T00:30:00.5Z", "2026-01-06T23:30:00Z"],
    ],
)
def test_a_time_with_its_zone_is_of_the_day_that_is_written(folder: Path, times: list[str]) -> None:
    write({"n": [1, 2], "at": times})
    assert batches(Csv(path="rows.csv", date="at")) == {START: [1], START + timedelta(days=1): [2]}
    zoned = pl.DataFrame({"n": [1, 2], "at": ["2026-01-05T00:30", "2026-01-06T23:30"]}).with_columns(
        pl.col("at").str.to_datetime("%Y-%m-%dT%H:%M").dt.replace_time_zone("Asia/Tokyo")
    )
    zoned.write_parquet("rows.parquet")
    assert batches(Csv(path="rows.parquet", date="at")) == {START: [1], START + timedelta(days=1): [2]}
