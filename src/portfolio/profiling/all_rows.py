"""A draft of a sample, corrected by all rows of a large file, a part of it at a time."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from portfolio.contract.numbers import plain_numbers
from portfolio.core.cells import MISSING
from portfolio.data.normalize import dates, without_units
from portfolio.profiling.columns import MAX_CATEGORIES, Column
from portfolio.profiling.words import described, no_input

if TYPE_CHECKING:
    from portfolio.profiling.draft import Draft


def look_at_all(found: Draft) -> None:
    """Bounds, categories and missing values by all rows, where the sample had only some of them."""
    lazy, schema = found.sample.lazy, found.sample.lazy.collect_schema()
    exprs, categories = [], []
    for column in [*found.inputs, found.target]:
        value = pl.col(column.name)
        if column.kind == "number":
            if schema[column.name] == pl.String:
                value = without_units(plain_numbers(value, found.sample.written), column.unit)
            number = value.cast(pl.Float64, strict=False)
            number = pl.when(number.is_finite()).then(number)
            if column.coded:
                number = pl.when(number != float(column.coded)).then(number)
            near = number.filter(_is_near(number, column))
            exprs += [
                near.min().alias(f"min {column.name}"),
                near.max().alias(f"max {column.name}"),
                number.null_count().alias(f"null {column.name}"),
            ]
        elif column.kind in ("category", "date"):
            if schema[column.name].is_float() and column.integer:
                value = value.cast(pl.Int64, strict=False)
            text = value.cast(pl.String).str.strip_chars()
            text = pl.when(~text.str.to_lowercase().is_in(MISSING)).then(text)
            exprs.append(text.null_count().alias(f"null {column.name}"))
            categories.append((column, text.alias("value")))
    plans = [lazy.select(exprs), *(lazy.select(text).group_by("value").len() for _, text in categories)]
    totals, *values = pl.collect_all(plans, engine="streaming")
    stated = totals.row(0, named=True)
    for column in [*found.inputs, found.target]:
        if column.kind == "number":
            column.minimum, column.maximum = stated[f"min {column.name}"], stated[f"max {column.name}"]
        if f"null {column.name}" in stated:
            column.missing_share = stated[f"null {column.name}"] / found.sample.total - column.stray / len(
                found.sample.rows
            )
    for (column, _), table in zip(categories, values, strict=True):
        if column.kind == "date":
            days, unread = dates(table["value"])
            column.first, column.last = _day(days.min()), _day(days.max())
            if unread:
                found.decisions[column.name].role = "left out"
                found.decisions[column.name].why = no_input(column, found.sample.total)
            continue
        counts = dict(table.drop_nulls().rows())
        column.distinct, column.values = len(counts), sorted(counts)
        if column is found.target:
            found.counts = {label: counts.get(label, 0) for label in found.counts} | {
                label: count for label, count in counts.items() if label not in found.counts
            }
        elif len(counts) > MAX_CATEGORIES:
            # The rare ones are not declared: their rows would otherwise be hundreds of columns of zeros.
            found.decisions[column.name].role = "left out"
            found.decisions[column.name].why = f"too many to be categories ({len(counts):,} in all rows)"
    for decision in found.decisions.values():
        if decision.role == "input":
            decision.why = described(decision.column)


def _day(value: object) -> date:
    assert isinstance(value, date)
    return value


def _is_near(number: pl.Expr, column: Column) -> pl.Expr:
    """Whether a number is not so far from those of the sample that it is likely to be a mistake."""
    assert column.minimum is not None
    assert column.maximum is not None
    room = 100 * (column.maximum - column.minimum)
    return number.is_between(column.minimum - room, column.maximum + room) if room else pl.lit(True)
