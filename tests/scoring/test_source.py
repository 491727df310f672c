"""Files to be scored are read as those that the model was trained on."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from portfolio.bundle.manifest import InputField
from portfolio.contract.format import Format
from portfolio.core.errors import DataError
from portfolio.scoring.source import RowFiles
from tests.profiling.made import workbook

FIELDS = (InputField(name="年齢", kind="number", nullable=True, example=3), InputField(name="町", kind="text"))
ROWS = [("20", "大阪"), ("999", "奈良"), ("40", "京都")]
TEXT = "年齢,町\n" + "".join(f"{age},{town}\n" for age, town in ROWS)
DECLARED = Format(encoding="cp932", skip_rows=1, missing={"年齢": ("999",)})


def read(path: Path, written: Format) -> list[list[str | None]]:
    source = RowFiles.at(path, written).fitted(FIELDS)
    source.check(FIELDS)
    rows = [row for part in source.parts(FIELDS) for row in part.rows.select("年齢", "町").rows()]
    return [[None if value is None else str(value) for value in row] for row in rows]


@pytest.mark.parametrize("plain", [False, True])
def test_a_file_is_read_plainly_or_as_declared(tmp_path: Path, plain: bool) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(TEXT.encode() if plain else f"表1,\n{TEXT}".encode("cp932"))
    # What stands for a missing value does so in both.
    assert read(path, DECLARED) == [["20", "大阪"], [None, "奈良"], ["40", "京都"]]


@pytest.mark.parametrize(
    ("content", "name", "written"),
    [
        ('年齢,町\n"1.200,5",大阪\n"0,875",奈良\n', "rows.csv", Format(decimal=",", thousands=".")),
        ("年齢\t町\n1.200,5\t大阪\n0,875\t奈良\n", "rows.tsv", Format(decimal=",", thousands=".")),
        ("年齢\t町\n1.200,5\t大阪\n0,875\t奈良\n", "rows.tsv", Format(separator="\t", decimal=",", thousands=".")),
        ("年齢;町\n1.200,5;大阪\n0,875;奈良\n", "rows.csv", Format(separator=";", decimal=",", thousands=".")),
        ("年齢;町\n1 200,5;大阪\n0,875;奈良\n", "rows.txt", Format(separator=";", decimal=",", thousands=" ")),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_numbers_are_read_as_they_were_for_training(
    tmp_path: Path, content: str, name: str, written: Format, packed: bool
) -> None:
    path = tmp_path / (f"{name}.gz" if packed else name)
    path.write_bytes(gzip.compress(content.encode()) if packed else content.encode())
    assert read(path, written) == [["1200.5", "大阪"], ["0.875", "奈良"]]


def test_a_file_with_none_of_the_inputs_is_refused_though_each_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("年;街\n20;大阪\n")
    optional = tuple(field.model_copy(update={"nullable": True}) for field in FIELDS)
    for written in (Format(), Format(separator=";")):
        with pytest.raises(DataError, match="lacks the columns 年齢"):
            RowFiles.at(path, written).fitted(optional).check(optional)


def test_text_that_is_stored_as_bytes_is_text(tmp_path: Path) -> None:
    rows = pl.DataFrame({"年齢": [age.encode() for age, _ in ROWS], "町": [town.encode() for _, town in ROWS]})
    rows.write_parquet(tmp_path / "rows.parquet")
    assert read(tmp_path / "rows.parquet", DECLARED) == [["20", "大阪"], [None, "奈良"], ["40", "京都"]]


def test_a_workbook_is_read(tmp_path: Path) -> None:
    sheet = [["表1", ""], ["年齢", "町"], *([int(age), town] for age, town in ROWS)]
    workbook(tmp_path / "rows.xlsx", {}, {"表紙": [["社外秘"]], "一覧": sheet})
    written = Format(sheet="一覧", skip_rows=1, missing=DECLARED.missing)
    assert read(tmp_path / "rows.xlsx", written) == [["20", "大阪"], [None, "奈良"], ["40", "京都"]]


def test_what_fits_neither_way_is_named_by_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes("表1,\n年,町\n20,大阪\n".encode("cp932"))
    needed = (InputField(name="年齢", kind="number", example=3),)
    source = RowFiles.at(path, DECLARED).fitted(needed)
    with pytest.raises(DataError, match=r"lacks the column 年齢.*the file's columns: 年, 町"):
        source.check(needed)


def test_a_text_beside_pictures_is_not_taken_for_their_table(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("Taken in June.\n")
    needed = (InputField(name="picture", kind="image", shape=(2, 2), channels=3, photo=True),)
    with pytest.raises(DataError, match=r"readme\.txt lacks the column picture.*Picture files can't be scored"):
        RowFiles.at(tmp_path, Format()).check(needed)
