"""Dates such as 3/1/2005, of which the first number may be the day or the month."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

DATE = r"^\s*(\d{1,2})/(\d{1,2})/(\d{2,4})\b"
MONTHS = 12


@dataclass(frozen=True)
class UnsureDate:
    """One of the dates of a column of which each can be read in both ways."""

    text: str
    day_first: str
    month_first: str
    seems_month_first: bool
    """Read with the day first, all would be of the first days of one month: they are the first days of months."""


def unsure_date(column: pl.Series) -> UnsureDate | None:
    """An example, if nothing in the column says whether the day or the month comes first."""
    if column.dtype != pl.String:
        return None
    parts = column.str.extract_groups(DATE).struct.unnest()
    parts.columns = ["first", "second", "year"]
    parts = parts.with_columns(pl.col("first", "second").cast(pl.Int64), text=column).drop_nulls()
    differ = parts.filter(pl.col("first") != pl.col("second"))
    if differ.is_empty() or parts.select(pl.max_horizontal("first", "second").max()).item() > MONTHS:
        return None
    example = differ.row(0, named=True)
    first, second, year = example["first"], example["second"], f"20{example['year']}"[-4:]
    return UnsureDate(
        example["text"].strip(),
        f"{year}-{second:02d}-{first:02d}",
        f"{year}-{first:02d}-{second:02d}",
        seems_month_first=parts["second"].n_unique() == 1 < parts["first"].n_unique(),
    )
