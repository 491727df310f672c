"""The marks in a file's numbers: the decimal one, and what stands between thousands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portfolio.contract.numbers import AFTER, BEFORE, CURRENCIES, SPACES

if TYPE_CHECKING:
    import polars as pl

WITH_UNIT = rf"^{BEFORE}([+-]?\d[\d.,]*(?: \d{{3}})*(?:,\d+)?){AFTER}$"


def marks(values: list[str], separator: str) -> tuple[str, str]:
    """The decimal mark, and what stands between thousands."""
    import polars as pl

    cells = pl.Series(values, dtype=pl.String).str.strip_chars().str.replace_all(SPACES, " ")
    numbers = cells.str.replace(WITH_UNIT, "$1")

    def count(pattern: str, column: pl.Series = numbers) -> int:
        return int(column.str.contains(pattern).sum())

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
    decimal = "," if commas and only_decimal and not unsure else "."
    if decimal == ",":
        thousands = "." if groups["."] and not only_points else (" " if groups[" "] else "")
    else:
        thousands = next((mark for mark in (",", "'", " ") if groups[mark]), "")
        if groups["."] > 1 and not only_points and (points == 0 or _are_grouped(cells, numbers)):
            thousands = "."
            decimal = ","
    return decimal, thousands


def _are_grouped(cells: pl.Series, numbers: pl.Series) -> bool:
    """Whether 1.200 with its unit is a thousand and more: beside 850, or as a price, which has no three decimals."""
    with_unit = cells != numbers
    grouped = numbers.str.contains(r"^[+-]?\d{1,3}(\.\d{3})+$")
    bare = grouped & ~with_unit
    whole = with_unit & numbers.str.contains(r"^[+-]?\d{1,3}$")
    price = with_unit & grouped & cells.str.contains(f"[¥\uffe5$€£円]|{CURRENCIES}")
    # Without a unit, it has decimals.
    return bool((with_unit & grouped).any() and not bare.any() and (whole.any() or price.any()))
