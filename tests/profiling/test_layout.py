"""Titles, names in several rows, and notes are told from the rows of a table."""

from __future__ import annotations

import csv

import pytest

from portfolio.profiling.layout import Layout, layout, rows_of_notes

ROWS = "Osaka,1,2.5\nNara,3,4.5\nKyoto,5,6.5\n"


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(text.splitlines()))


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("town,age,size\n", Layout()),
        ("A table\n\ntown,age,size\n", Layout(2)),
        ("A table,,\n,,in 2025\ntown,age,size\n", Layout(2)),
        (",age,size\n", Layout()),
        ("town,of people,\n,age,size\n", Layout(2, ("town", "of people age", "of people size"))),
        ("A table,,\ntown,people,\n,all,\n,age,size\n", Layout(4, ("town", "people all age", "people all size"))),
        ("town,,size\n,age,\n", Layout(2, ("town", "town age", "size"))),
        ("Sales,,in 2025\n\ntown,age,size\n", Layout(2)),
        ("town,age,size\n\n", Layout()),
        ("town,2024,\n,age,size\n", Layout(2, ("town", "2024 age", "2024 size"))),
        ("town,2024,2025\n", Layout()),
        ("town,age,\n,,size\n", Layout(2, ("town", "age", "age size"))),
        ("A table\ntown,age,size\n,(years),\uff08人\uff09\n", Layout(3, ("town", "age", "size"))),
        ("town,age,size\n(name),[y],m²\n", Layout(2, ("town", "age", "size"))),
        ("town,age,size\n,years,m²\n", Layout(2, ("town", "age", "size"))),
    ],
    ids=[
        "none",
        "lines",
        "padded",
        "an index",
        "merged",
        "three rows",
        "a gap",
        "a title of two cells",
        "a blank row below",
        "years above names",
        "years",
        "a short row",
        "units in brackets",
        "units of all columns",
        "bare units",
    ],
)
def test_the_names_are_found(head: str, expected: Layout) -> None:
    assert layout(cells(head + ROWS)) == expected


@pytest.mark.parametrize(
    "text",
    [
        # The first row lacks values, and is a row.
        f"town,age,size\nOsaka,,\n{ROWS}",
        f",age,size\nOsaka,,\n{ROWS}",
        # Nor is what stands below a blank row, if nothing tells it from a row.
        "town,size,colour\n\nOsaka,a,red\nNara,b,blue\n",
        # Nothing but texts: what are names is not to be told.
        "town,,colour\nOsaka,a,red\nNara,b,blue\n",
        "a,b\n1,\n2,3\n",
        # Words for what is missing are no units, nor is what comes again, nor what stands above texts.
        "town,age,size\n,unknown,NA\nOsaka,1,2\nNara,unknown,3\n",
        f"town,age,size\n,-,?\n{ROWS}",
        f"town,age,size\nOsaka,unknown,many\n{ROWS}",
        "town,age,size\n(closed),,\nOsaka,1,2\n(closed),2,3\nNara,3,4\n",
    ],
)
def test_rows_are_not_taken_for_names(text: str) -> None:
    assert layout(cells(text)) == Layout()


@pytest.mark.parametrize(
    ("end", "count"),
    [
        ("", 0),
        ("※ early figures,,\n", 1),
        (",,\n注\uff09…は不詳,,\n", 2),
        ("注\uff09四捨五入,,\n「x」は秘匿、「…」は不詳を示す。,,\n資料\uff1a統計局,,\n", 3),
        ("「x」は秘匿,,\n", 1),
        ("Figures are rounded to tens,,\n", 1),
        ("「x」,5,6.5\n", 0),
        ("Kobe,,\n", 0),
        # Nothing but the answer.
        (",,yes\n", 0),
        (",,12\n", 1),
        ("note\n", 1),
        ("3\n", 0),
        ("Grand Total,,12\n\nnote\n", 3),
        ("Total,,12\n", 1),
        ("合計,,12\n", 1),
        # What such a word begins may be a row.
        ("Total waste,1,2.5\n", 0),
        ("Total,,a lot\n", 0),
    ],
)
def test_notes_after_the_rows_are_counted(end: str, count: int) -> None:
    assert rows_of_notes(cells(ROWS + end), 3) == count
