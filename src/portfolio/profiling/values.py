"""The values of a column as a model would see them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from portfolio.core.cells import MISSING
from portfolio.data.normalize import dates, without_units
from portfolio.profiling.columns import Column

NO_LABEL = [word for word in MISSING if word != "none"]
"""A class may well be called none."""


def model_column(rows: pl.DataFrame, column: Column, missing: Sequence[str] = MISSING) -> pl.Series:
    """The values as a model would see them: texts, or numbers, which are the days of dates.

    Null stands for what is missing, such as those words.
    """
    values = rows[column.name]
    if column.kind == "date":
        return dates(values)[0].to_physical().cast(pl.Float64)
    if column.kind != "number":
        texts = values.cast(pl.String).str.strip_chars()
        return texts.set(texts.str.to_lowercase().is_in(missing), None)
    if values.dtype == pl.String:
        values = pl.select(without_units(pl.lit(values), column.unit)).to_series()
    numbers = values.cast(pl.Float64, strict=False)
    numbers = numbers.set(~numbers.is_finite(), None)
    return numbers.set(numbers == float(column.coded), None) if column.coded else numbers


def plausible(rows: pl.DataFrame, column: Column, missing: Sequence[str] = MISSING) -> pl.Series:
    """The same, null also where a number is so far from all others that its row will be rejected."""
    values = model_column(rows, column, missing)
    return values.set(~values.is_between(column.minimum, column.maximum), None) if column.far else values
