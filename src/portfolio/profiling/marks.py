"""The marks in a file's numbers: the decimal one, and what stands between thousands."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from portfolio.contract.numbers import AFTER, BEFORE, CURRENCIES, EXCEL_TEXT, SPACES

if TYPE_CHECKING:
    import polars as pl

WITH_UNIT = rf"^{BEFORE}([+-]?\d[\d.,]*(?: \d{{3}})*(?:,\d+)?){AFTER}$"


@dataclass(frozen=True)
class Evidence:
    """What the numbers of a column tell of a mark in them: whether it divides thousands, or comes before decimals."""

    example: str
    """One that may be either, such as 1.234; empty if there is none."""
    thousands: bool
    decimals: bool


def marks(columns: Mapping[str, Sequence[str]], separator: str) -> tuple[str, str]:
    """The decimal mark, and what stands between thousands, by the columns of a file."""
    cells = _cells(itertools.chain.from_iterable(columns.values()))
    numbers = _numbers(cells)

    def count(pattern: str, column: pl.Series = numbers) -> int:
        return int(column.str.contains(pattern).sum())

    def are_thousands(mark: str, other: str) -> bool:
        told = [_evidence(_numbers(_cells(values)), mark, other) for values in columns.values()]
        return any(each.example and each.thousands for each in told)

    groups = {
        # Commas between thousands are understood of what has a unit, without being declared.
        mark: count(rf"^[+-]?\d{{1,3}}({pattern}\d{{3}})+({other}\d+)?$", cells if mark in ",'" else numbers)
        for mark, pattern, other in ((",", ",", r"\."), (".", r"\.", ","), ("'", "'", r"\."), (" ", " ", "[.,]"))
    }
    commas = count(r"^[+-]?\d*,\d+$")
    only_decimal = count(r"^[+-]?(\d{4,},\d+|\d+,(\d{1,2}|\d{4,})|0,\d+)$") + count(r"^[+-]?\d{1,3}(\.\d{3})+,\d+$")
    points = count(r"^[+-]?\d*\.\d+$")
    only_points = count(r"^[+-]?(\d{4,}\.\d+|\d*\.(\d{1,2}|\d{4,})|0\.\d+)$")
    # In a file with commas between columns, they stand in quotation marks, as those in lists and between thousands do.
    lists = count(r"^\d+(,\d+){2,}$")
    unsure = separator == "," and (only_points or groups[","] or lists)
    # Semicolons divide columns where a comma comes before decimals.
    likely = separator == ";" and not points and not are_thousands(",", ".")
    decimal = "," if commas and (only_decimal or likely) and not unsure else "."
    if decimal == ",":
        thousands = "." if groups["."] and not only_points else (" " if groups[" "] else "")
    else:
        thousands = next((mark for mark in (",", "'", " ") if groups[mark]), "")
        if groups["."] > 1 and not only_points:
            likely = separator == ";" and are_thousands(".", ",")
            if points == 0 or likely or _are_grouped(cells, numbers):
                thousands = "."
                decimal = ","
    return decimal, thousands


def guesses(columns: Mapping[str, Sequence[str]], separator: str, decimal: str, thousands: str) -> dict[str, str]:
    """By column, how a number such as 1.234 was read that may be 1234, where nothing in the column tells."""
    if separator != ";" and decimal == ".":
        return {}
    found, more = {}, "" if decimal == "," else 'decimal=",", '
    cells = {name: _cells(values) for name, values in columns.items()}
    points = {name: _evidence(_numbers(column), ".", ",") for name, column in cells.items()}
    commas = {name: _evidence(_numbers(column), ",", ".") for name, column in cells.items()}
    for name, of_points in points.items():
        of_commas = commas[name]
        if of_points.example and thousands == ".":
            if of_points.decimals or not of_points.thousands:
                found[name] = _as_thousand(of_points.example, ".", 'delete thousands="."')
        elif of_points.example:
            if of_points.thousands or not of_points.decimals:
                found[name] = _as_decimals(of_points.example, ".", f'add {more}thousands="."')
        elif of_commas.example and decimal == ",":
            if not any(each.decimals for each in commas.values()):
                found[name] = _as_decimals(of_commas.example, ",", 'write thousands="," in place of decimal=","')
        elif of_commas.example and (of_commas.decimals or not of_commas.thousands):
            found[name] = _as_thousand(of_commas.example, ",", 'write decimal=","')
    return found


def _as_thousand(example: str, mark: str, remedy: str) -> str:
    return _said(example, example.replace(mark, ""), example.replace(mark, "."), remedy)


def _as_decimals(example: str, mark: str, remedy: str) -> str:
    return _said(example, f"{example.replace(mark, '.')}, with decimals", example.replace(mark, ""), remedy)


def _said(example: str, read: str, other: str, remedy: str) -> str:
    return f"{example} was read as {read}. If it is {other}, {remedy} in use_case.py, and correct its bounds."


def _cells(values: Iterable[str]) -> pl.Series:
    import polars as pl

    cells = pl.Series(list(values), dtype=pl.String).str.replace(EXCEL_TEXT, "$1")
    return cells.str.strip_chars().str.replace_all(SPACES, " ")


def _numbers(cells: pl.Series) -> pl.Series:
    """Without their units."""
    return cells.str.replace(WITH_UNIT, "$1")


def _evidence(numbers: pl.Series, mark: str, other: str) -> Evidence:
    mark, other = re.escape(mark), re.escape(other)
    either = numbers.filter(numbers.str.contains(rf"^[+-]?[1-9]\d{{0,2}}{mark}\d{{3}}$"))
    # A whole number beside it: who writes three decimals writes 850 as 850.000. 99 and 999 stand for nothing, often.
    thousands = (
        rf"^[+-]?(\d{{1,3}}({mark}\d{{3}}){{2,}}({other}\d+)?|\d{{1,3}}{mark}\d{{3}}{other}\d+|"
        r"[1-8]\d{0,2}|9[0-8]?|9[0-8]\d|99[0-8])$"
    )
    decimals = rf"^[+-]?(\d{{4,}}{mark}\d+|\d*{mark}(\d{{1,2}}|\d{{4,}})|0{mark}\d+)$"
    return Evidence(
        "" if either.is_empty() else either[0],
        bool(numbers.str.contains(thousands).any()),
        bool(numbers.str.contains(decimals).any()),
    )


def _are_grouped(cells: pl.Series, numbers: pl.Series) -> bool:
    """Whether 1.200 with its unit is a thousand and more: beside 850, or as a price, which has no three decimals."""
    with_unit = cells != numbers
    grouped = numbers.str.contains(r"^[+-]?\d{1,3}(\.\d{3})+$")
    bare = grouped & ~with_unit
    whole = with_unit & numbers.str.contains(r"^[+-]?\d{1,3}$")
    price = with_unit & grouped & cells.str.contains(f"[¥\uffe5$€£円]|{CURRENCIES}")
    # Without a unit, it has decimals.
    return bool((with_unit & grouped).any() and not bare.any() and (whole.any() or price.any()))
