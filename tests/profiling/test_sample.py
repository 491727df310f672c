"""The same rows are read of a small file and of a large one; what can't be read is refused with the remedy."""

from __future__ import annotations

import subprocess
from pathlib import Path

import polars as pl
import pytest

from portfolio.core.errors import SourceError
from portfolio.profiling import sample as module
from portfolio.profiling.sample import sample
from tests.profiling.made import AGES, PLAIN, ROWS, csv_text, workbook, written

TEXT = csv_text(PLAIN)


def test_parquet_and_workbooks_are_read(tmp_path: Path) -> None:
    pl.DataFrame(PLAIN).write_parquet(tmp_path / "rows.parquet")
    workbook(tmp_path / "rows.xlsx", PLAIN)
    for name in ("rows.parquet", "rows.xlsx"):
        rows = sample(tmp_path / name).rows
        assert (rows["age"].to_list(), rows["town"].to_list()) == (AGES, PLAIN["town"])


def test_a_file_without_names_is_given_some(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT.split("\n", 1)[1])
    rows = sample(path, ["years", "size", "town", "bought"]).rows
    assert (rows["years"].to_list(), len(rows)) == (AGES, ROWS)
    with pytest.raises(SourceError, match="has 4 fields, and columns= names 2"):
        sample(path, ["years", "size"])


def test_a_large_file_is_not_held_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE_BYTES", 1000)
    monkeypatch.setattr(module, "SAMPLE_ROWS", 50)
    found = sample(written(tmp_path, TEXT))
    assert not found.whole
    assert (found.total, len(found.rows)) == (ROWS, 50)
    assert found.lazy.select(pl.col("age").sum()).collect().item() == sum(AGES)


def test_text_that_is_stored_as_bytes_is_text_in_a_large_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGE_BYTES", 100)
    monkeypatch.setattr(module, "SAMPLE_ROWS", 50)
    path = tmp_path / "rows.parquet"
    rows = pl.DataFrame(PLAIN).with_columns(pl.col("town").cast(pl.Binary))
    # Beyond the sample, one that is no text.
    last = pl.when(pl.int_range(pl.len()) == ROWS - 1).then(pl.lit(b"\xff")).otherwise(pl.lit(b"x"))
    rows.with_columns(picture=last).write_parquet(path)
    found = sample(path)
    assert not found.whole
    assert (found.rows.schema["town"], found.rows.schema["picture"]) == (pl.String, pl.Binary)
    assert set(found.lazy.collect()["town"]) == {"Osaka", "Kyoto", "Nara"}


@pytest.mark.parametrize("large", [False, True])
def test_categories_in_a_parquet_file_are_text(tmp_path: Path, large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE_BYTES", 100 if large else 10**9)
    path = tmp_path / "rows.parquet"
    pl.DataFrame({**PLAIN, "grade": ["1", "2", "3"] * 100}).with_columns(
        pl.col("grade").cast(pl.Categorical), pl.col("town").cast(pl.Enum(["Osaka", "Kyoto", "Nara"]))
    ).write_parquet(path)
    found = sample(path)
    for rows in (found.rows, found.lazy.collect()):
        assert (rows.schema["grade"], rows.schema["town"]) == (pl.String, pl.String)


BROKEN = {
    "spaces between columns": (csv_text(PLAIN, " ").replace(" ", "   "), "has spaces between its columns.*sed"),
    "a file that is not there": (None, "Check its path"),
    "an empty file": ("", "is empty"),
    "blank lines only": (" \n\n", "is empty"),
    "names and no rows": ("a,b\n", "no rows"),
    "no names": (TEXT.split("\n", 1)[1], "line 1, should have the names of the columns"),
    "words and no names": ("ham,see you\nspam,a prize\nham,ok\nham,yes\n" * 9, "--columns first,second"),
    "names of all columns but that of R's row names": (
        "age\tsize\n" + "".join(f"{row}\t{row % 7}\t{row / 3}\n" for row in range(1, 60)),
        r"line 1, names 2 columns, and the rows below have 3.*col\.names=NA",
    ),
    "rows that end with a separator": (
        "age,size,town\n" + "".join(f"{row},{row / 3},Osaka,\n" for row in range(1, 60)),
        "line 1, names 3 columns, and the rows below have 4.*the separator at the end of each row",
    ),
    "names that come again, as where files were put together": (
        TEXT + TEXT,
        r"has the names of its columns again in 1 row.*Delete it",
    ),
    "a name twice": (TEXT.replace("age,size", "age,age"), "names the column 'age' twice"),
    "two columns without a name": (TEXT.replace("age,size", ","), "no names for the columns 1, 2"),
    "a row that is too long": (TEXT.replace("\n", "\n1,2,Nara,yes,5\n", 1), "line 2, has 5 fields where there are 4"),
    "a last line that was cut off": (TEXT[:-6], "was cut off: its last line has 3 of 4 fields"),
    "a last line of one value that was cut off": (f"{TEXT}3", "was cut off: its last line has 1 of 4 fields: '3'"),
    "a last line of one word that was cut off": (
        f"{csv_text({name: PLAIN[name] for name in ('town', 'age', 'size', 'bought')})}Osa",
        "last line has 1 of 4 fields: 'Osa'.* if it is a note, end its line",
    ),
    "a last line whose number was cut off": (f"{TEXT}30,2", "last line has 2 of 4 fields: '30,2'"),
    "a quotation mark that nothing closes": (f'{TEXT}30,9.1,"Os', f"line {ROWS + 2}: no quotation mark closes"),
    "5,000 columns": (csv_text({f"c{number}": [1] * 60 for number in range(5000)}), "5,000 columns"),
    "a PDF": (b"%PDF-1.4 " + bytes(500), "a PDF document"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(500), "a picture"),
    "JSON": ('[{"a": 1}]', "a JSON document"),
    "bytes of nothing": (bytes(range(256)) * 8, "not text"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_refused_with_the_place_and_the_remedy(tmp_path: Path, case: str) -> None:
    content, message = BROKEN[case]
    path = tmp_path / "rows.csv" if content is None else written(tmp_path, content)
    with pytest.raises(SourceError, match=message) as refused:
        sample(path)
    assert str(path) in str(refused.value)


def test_rows_that_leave_out_empty_cells_at_their_end_are_read(tmp_path: Path) -> None:
    content = "\n".join(line.removesuffix(",no") for line in TEXT.splitlines())
    assert sample(written(tmp_path, content)).rows["bought"].null_count() == PLAIN["bought"].count("no")


@pytest.mark.parametrize("end", ["\n", "\n\n\n", ",,,\n"])
def test_blank_lines_are_no_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    path = written(tmp_path, TEXT + end)
    found = sample(path)
    assert (found.total, found.rows["age"].null_count(), found.written.skip_footer) == (ROWS, 0, 0)
    monkeypatch.setattr(module, "LARGE_BYTES", 1000)
    found = sample(path)
    assert (found.total, found.rows["age"].null_count(), len(found.lazy.collect())) == (ROWS, 0, ROWS)


TICKS = ["", "Email", "Email", ""] * 20


@pytest.mark.parametrize(
    "columns",
    [
        {"age": AGES[:80], "Email": TICKS, "bought": ["yes", "no"] * 40},
        {"Email": TICKS, "Phone": ["Phone", ""] * 40, "bought": ["yes", "no"] * 40},
        {"size": AGES[:80], "y": ["y", "n"] * 40},
        {"name": [f"K{number}" for number in range(80)], "town": ["Nara", "Uji"] * 40, "y": ["y", "n"] * 40},
    ],
    ids=["ticks", "ticks beside texts", "y beside a number", "y beside texts"],
)
def test_a_name_that_is_a_value_too_is_a_name(tmp_path: Path, columns: dict[str, list[object]]) -> None:
    found = sample(written(tmp_path, csv_text(columns)))
    assert (found.rows.columns, found.total) == (list(columns), 80)
    workbook(tmp_path / "rows.xlsx", columns)
    assert sample(tmp_path / "rows.xlsx").rows.columns == list(columns)


@pytest.mark.parametrize("end", ["\n", ""])
def test_the_footer_of_a_report_is_skipped(tmp_path: Path, end: str) -> None:
    footer = '"Grand Totals (300 records)","","1,500",""\n\n\n"Closed Pipeline"\n"Copyright (c)"\n"Taro: 10:05"\n"Acme"'
    path = written(tmp_path, TEXT + footer + end)
    found = sample(path)
    assert (found.total, found.written.skip_footer) == (ROWS, 7)
    assert found.rows["age"].to_list() == AGES


def test_a_line_that_is_no_row_can_be_deleted_before_there_is_a_use_case(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="Correct it, or delete it if it is no row"):
        sample(written(tmp_path, TEXT.replace("\n", "\nChapter 1\n", 5)))


def test_lines_that_begin_and_end_with_the_separator_say_so(tmp_path: Path) -> None:
    lines = "".join(f"|{line}|\n" for line in csv_text(PLAIN, "|").splitlines())
    with pytest.raises(SourceError, match=r"begins and ends with '\|'.*: sed") as refused:
        sample(written(tmp_path, f"{'-' * 20}\n{lines}"))
    remedy = str(refused.value).partition("dashes: ")[2].replace("NEW.csv", str(tmp_path / "new.csv"))
    subprocess.run(remedy, shell=True, check=True)
    assert sample(tmp_path / "new.csv").rows["age"].to_list() == AGES
