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
        ("town,age,\n,,size\n", Layout(2, ("town", "age", "age size"))),
    ],
    ids=["none", "lines", "padded", "an index", "merged", "three rows", "a gap", "a short row"],
)
def test_the_names_are_found(head: str, expected: Layout) -> None:
    assert layout(cells(head + ROWS)) == expected


@pytest.mark.parametrize(
    "text",
    [
        # The first row lacks values, and is a row.
        f"town,age,size\nOsaka,,\n{ROWS}",
        f",age,size\nOsaka,,\n{ROWS}",
        # Nothing but texts: what are names is not to be told.
        "town,,colour\nOsaka,a,red\nNara,b,blue\n",
        "a,b\n1,\n2,3\n",
    ],
)
def test_rows_are_not_taken_for_names(text: str) -> None:
    assert layout(cells(text)) == Layout()


@pytest.mark.parametrize(
    ("end", "count"),
    [("", 0), ("※ early figures,,\n", 1), (",,\n注\uff09…は不詳,,\n", 2), ("Kobe,,\n", 0), ("note\n", 1), ("3\n", 0)],
)
def test_notes_after_the_rows_are_counted(end: str, count: int) -> None:
    assert rows_of_notes(cells(ROWS + end), 3) == count
