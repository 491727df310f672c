"""Numbers in a column of texts, in whatever way they were written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from portfolio.contract.format import Format

if TYPE_CHECKING:
    import polars as pl

INTEGER = r"^[+-]?\d+$"
LEADING_ZERO = r"^[+-]?0\d"
CURRENCIES = "USD|EUR|GBP|JPY|CHF|CNY|INR|CAD|AUD"
BEFORE = rf"(?:[\u2212△▲]\s*|\()?(?:[+-]?(?:[¥\uffe5$€£]|{CURRENCIES})\s*)?"
AFTER = r"(?:\s*[^\d\s.,:/+'()\u2212-][^\d\s()\u2212-]{0,9})?[)\u2212-]?"
"""The unit of a number, if it has one: prices are written in a country's own way too. And around that, what else says
that it is negative: see `core.cells`."""
DECIMAL_COMMA = rf"^({BEFORE}[+-]?\d*),(\d+{AFTER})$"
SPACES = "[ \u00a0\u202f\u2009]"
"""Between thousands: those that keep a number in one line are written by programs."""
EXCEL_TEXT = r"^\s*=\"(.*)\"\s*$"
"""A cell such as ="0123", as which programs write what Excel is to leave as it is."""
# Japanese input methods write these for 0 to 9, the point, the comma and the signs.
FULL_WIDTH = {chr(ord(plain) + 0xFEE0): plain for plain in "0123456789.,+-"}


def typed(column: pl.Series, written: Format) -> pl.Series:
    """A column of texts as numbers, if every value is one; else as it is, but for how its numbers are written."""
    import polars as pl

    column = column.to_frame().select(plain_numbers(pl.col(column.name), written)).to_series()
    text = column.str.strip_chars().replace("", None)
    if text.null_count() == len(text) or text.str.contains(LEADING_ZERO).any():
        return column
    kind = pl.Int64 if text.str.contains(INTEGER).all() else pl.Float64
    numbers = text.cast(kind, strict=False)
    return column if numbers.null_count() > text.null_count() else numbers


def plain_numbers(text: pl.Expr, written: Format) -> pl.Expr:
    """The texts, out of what is only for Excel.

    Numbers, with or without a unit, have ASCII digits, a point, and nothing between thousands.
    """
    import polars as pl

    text = text.str.replace(EXCEL_TEXT, "$1")
    wide = text.str.contains(f"^[{''.join(FULL_WIDTH)}]+$")
    text = pl.when(wide).then(text.str.replace_many(list(FULL_WIDTH), list(FULL_WIDTH.values()))).otherwise(text)
    if written.thousands:
        mark = SPACES if written.thousands == " " else re.escape(written.thousands)
        grouped = text.str.contains(
            rf"^\s*{BEFORE}[+-]?[1-9]\d{{0,2}}({mark}\d{{3}})+({re.escape(written.decimal)}\d+)?{AFTER}\s*$"
        )
        text = pl.when(grouped).then(text.str.replace_all(rf"{mark}(\d{{3}})", "$1")).otherwise(text)
    if written.decimal == ",":
        text = text.str.replace(DECIMAL_COMMA, "$1.$2")
    return text
