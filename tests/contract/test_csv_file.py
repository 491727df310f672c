"""CSV files as the world writes them: read as one would expect, or named with the line and the remedy."""

from __future__ import annotations

import bz2
import gzip
import pickle
import subprocess
from pathlib import Path
from typing import Any

import pytest

from portfolio.contract.csv_file import read_csv
from portfolio.contract.format import Format
from portfolio.core.errors import ConfigError, SourceError
from tests.contract.made import read

TOWNS = "town,rent\n大阪,70\n東京,90\n"


@pytest.mark.parametrize(
    ("content", "written"),
    [
        (TOWNS.encode(), {}),
        (TOWNS.encode("utf-8-sig"), {}),
        (TOWNS.encode("utf-8-sig"), {"encoding": "cp932"}),
        (TOWNS.encode("utf-16"), {}),
        (TOWNS.encode("utf-16-le"), {"encoding": "utf-16-le"}),
        (TOWNS.encode("cp932"), {"encoding": "cp932"}),
        (TOWNS.replace("\n", "\r\n").encode(), {}),
        (TOWNS.removesuffix("\n").encode(), {}),
        (f"{TOWNS}\n".encode(), {}),
        (TOWNS.replace("\n", "\n\n").encode(), {}),
        (f"{TOWNS},\n , \n".encode(), {}),
        (gzip.compress(TOWNS.encode(), mtime=0), {}),
        (TOWNS.replace(",", ";").encode(), {"separator": ";"}),
        (TOWNS.replace(",", "\t").encode(), {"separator": "\t"}),
        (f"Rents, in thousand yen\n\n{TOWNS}Source: made up\n".encode(), {"skip_rows": 2, "skip_footer": 1}),
    ],
)
def test_the_same_table_however_it_was_written(tmp_path: Path, content: bytes, written: dict[str, Any]) -> None:
    assert read(tmp_path, content, **written).to_dict(as_series=False) == {"town": ["大阪", "東京"], "rent": [70, 90]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TOWNS.encode("cp932"), r'line 2, is not encoded in utf-8 \(byte 0x91\).*encoding="cp932"'),
        ("name,x\nana,1\nJosé,2\n".encode("latin-1"), r'line 3, is not encoded in utf-8 .*encoding="cp1252"'),
        (TOWNS.encode("utf-16-le"), "is not encoded in utf-8"),
        ("a,b\n1,2\n".encode("utf-16-le"), r'has zero bytes.*encoding="utf-16-le"'),
        ("a;b\n1;2\n", r"line 1, has no ',' between columns, but ';': 'a;b'.*separator=';'"),
        ("a\tb\n1\t2\n", r"separator='\\t'"),
        ("a,b,a\n1,2,3\n", r"line 1, names the column 'a' twice"),
        ("a,b\n1,2\n3,4,5\n", r"line 3, has 3 fields where there are 2 columns: '3,4,5'"),
        ('a,b\n"1\n2",2\n3,4,5\n', r"line 4, has 3 fields"),
        ("a,b\n1,2\nSource: made up\n", r"line 3, has 1 fields where .*'Source: made up'.*skip_footer=1"),
        ("Rents in 2026\na,b\n1,2\n", r"line 2, has 2 fields where there are 1 columns: 'a,b'.*skip_rows=1"),
        (b"", r"is empty"),
        (b" \n \n", r"is empty"),
        (b"a\n\xff\xfe\x00\n", r"line 2, is not encoded in utf-8"),
        (gzip.compress(TOWNS.encode(), mtime=0)[:-9], r"can't be unpacked .*cut off"),
        ("<!DOCTYPE html>\n<html><title>Sign in</title>", r"is no CSV file: it is a web page, often a login"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", r"it is a pointer of Git LFS.*git lfs pull"),
        ('[{"a": 1}]', r"it is a JSON document"),
        (b"\x89PNG\r\n", r"it is a picture"),
        ("a,b,c\n1,2,3\n3,4,5\n6,7", r"was cut off: its last line has 2 of 3 fields: '6,7'"),
        ('a,b,c\n"1",2,3\n"3",4,5\n"6",7', r"was cut off: its last line has 2 of 3 fields"),
        ('a,b\n1,2\n3,"4', r"line 3: no quotation mark closes"),
        (",,b\n1,2,3\n", r"line 1, has no names for the columns 1, 2"),
        (b"PAR1\x15\x04", r"it is a damaged Parquet file \(fetch it again"),
        (b"PK\x03\x04\x14", r"it is a ZIP archive \(unpack it; .* save it as \.xlsx"),
        (b"\xd0\xcf\x11\xe0", r"a workbook with a password"),
        (b"$FL2@(#) SPSS DATA FILE", r"it is a file of SPSS \(save it as CSV there\)"),
        (b"<stata_dta><header>", r"it is a file of Stata"),
        (pickle.dumps({"age": [1, 2]}), r"it is a pickle of Python"),
        (gzip.compress(b"RDX3\nX\n"), r"it is a file of R"),
        (bz2.compress(b"a,b\n1,2\n"), r"it is a packed file"),
    ],
)
def test_what_can_not_be_read_is_named_with_its_line_and_the_remedy(
    tmp_path: Path, content: bytes | str, message: str
) -> None:
    with pytest.raises(SourceError, match=rf"(?s)rows\.csv.*{message}"):
        read(tmp_path, content)


@pytest.mark.parametrize("declared", ["cp932", "cp1252", "latin-1", "euc_jp"])
def test_utf8_that_is_declared_as_something_else_is_named_with_its_conversion(tmp_path: Path, declared: str) -> None:
    with pytest.raises(
        SourceError, match=rf"rows\.csv is encoded in UTF-8, but the use case says {declared}"
    ) as caught:
        read(tmp_path, TOWNS, encoding=declared)
    command = str(caught.value).partition("Else convert this one: ")[2]
    # What has no Japanese can't be converted to.
    assert bool(command) == (declared in ("cp932", "euc_jp"))
    if command:
        subprocess.run(command, shell=True, check=True, cwd=tmp_path)
        assert (tmp_path / "NEW.csv").read_bytes() == TOWNS.encode(declared)


def test_a_damaged_byte_in_utf8_is_not_taken_for_another_encoding(tmp_path: Path) -> None:
    damaged = TOWNS.encode().replace("東京".encode(), "東京".encode()[:-1])
    with pytest.raises(
        SourceError, match=r"line 3, is not encoded in utf-8 .*is damaged there: fetch it again"
    ) as caught:
        read(tmp_path, damaged)
    assert "encoding=" not in str(caught.value)


def test_another_encoding_is_offered_for_all_files_or_for_this_one(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r'encoding="cp932".*Else convert this one: iconv -f cp932 -t utf-8 rows'):
        read(tmp_path, TOWNS.encode("cp932"))


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"can't be read .*Correct path="):
        read_csv(tmp_path, "rows", Format())


def test_a_file_without_a_header_is_given_its_columns_names(tmp_path: Path) -> None:
    found = read(tmp_path, "大阪\t70\n東京\t90\n", separator="\t", columns=["town", "rent"])
    assert found.to_dict(as_series=False) == {"town": ["大阪", "東京"], "rent": [70, 90]}
    with pytest.raises(SourceError, match="line 1, has 2 fields, and columns= names 1"):
        read(tmp_path, "大阪,70\n", columns=["town"])
    with pytest.raises(ConfigError, match="'town' twice"):
        Format(columns=["town", "town"])
