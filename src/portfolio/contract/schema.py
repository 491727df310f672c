"""The pandera schema that follows from a use case's declarations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from portfolio.bundle.manifest import MAX_TEXT_LENGTH, InputField
from portfolio.contract.fields import is_of_bytes
from portfolio.contract.targets import Quantity, Target
from portfolio.core.labels import listed

if TYPE_CHECKING:
    from portfolio.contract.use_case import UseCase


def schema(use_case: UseCase) -> pa.DataFrameSchema:
    """For normalised rows: texts, Float64, dates, images as arrays, and null for what is missing."""
    columns = {use_case.key: pa.Column(pl.String, unique=True)}
    columns |= {field.name: _column(field) for field in use_case.inputs}
    columns[use_case.target.column] = _target(use_case.target)
    return pa.DataFrameSchema(columns)


def inputs_schema(fields: Sequence[InputField]) -> pa.DataFrameSchema:
    """The same of a model's inputs alone. A category that is not declared is left to the policy, as in serving."""
    columns = {
        field.name: pa.Column(pl.String, nullable=field.nullable) if field.kind == "category" else _column(field)
        for field in fields
    }
    return pa.DataFrameSchema(columns)


def _column(field: InputField) -> pa.Column:
    match field.kind:
        case "number":
            return pa.Column(pl.Float64, _bounds(field.minimum, field.maximum), nullable=field.nullable)
        case "date":
            return pa.Column(pl.Date, _days(field), nullable=field.nullable)
        case "category":
            return pa.Column(pl.String, _known(field.categories), nullable=field.nullable)
        case "image":
            return pa.Column(pl.Array(pl.UInt8 if is_of_bytes(field) else pl.Float32, field.width), _pixels(field))
        case _:
            return pa.Column(pl.String, _length(field), nullable=field.nullable)


def _target(target: Target) -> pa.Column:
    if isinstance(target, Quantity):
        # A logarithm needs a value above 0.
        positive = (
            [pa.Check.greater_than(0, error="must be above 0, because its logarithm is learned")] if target.log else []
        )
        return pa.Column(pl.Float64, [*_bounds(target.minimum, target.maximum), *positive])
    return pa.Column(pl.String, _known(target.output.labels))


def _bounds(minimum: float | None, maximum: float | None) -> list[pa.Check]:
    if minimum is not None and maximum is not None:
        return [pa.Check.in_range(minimum, maximum, error=f"must be {minimum:,.12g} to {maximum:,.12g}")]
    low = [] if minimum is None else [pa.Check.ge(minimum, error=f"must be at least {minimum:,.12g}")]
    high = [] if maximum is None else [pa.Check.le(maximum, error=f"must be at most {maximum:,.12g}")]
    # An infinite number is nobody's measurement.
    finite = pa.Check(lambda data: data.lazyframe.select(pl.col(data.key).is_finite()), error="must be finite")
    return [*low, *high, finite]


def _days(field: InputField) -> list[pa.Check]:
    bounds = (("ge", "at least", field.minimum), ("le", "at most", field.maximum))
    return [
        getattr(pa.Check, name)(date.fromisoformat(field.shown(days)), error=f"must be {words} {field.shown(days)}")
        for name, words, days in bounds
        if days is not None
    ]


def _known(labels: Sequence[str]) -> pa.Check:
    return pa.Check.isin(list(labels), error=f"must be one of {listed(list(labels))}")


def _length(field: InputField) -> pa.Check:
    longest = field.max_length or MAX_TEXT_LENGTH

    def within(data: PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col(data.key).str.len_chars() <= longest)

    return pa.Check(within, name="length", error=f"must have at most {longest:,} characters")


def _pixels(field: InputField) -> pa.Check:
    low = -float("inf") if field.minimum is None else field.minimum
    high = float("inf") if field.maximum is None else field.maximum

    def within(data: PolarsData) -> pl.LazyFrame:
        pixels = pl.col(data.key).arr
        return data.lazyframe.select((pixels.min() >= low) & (pixels.max() <= high))

    return pa.Check(within, name="pixels", error=f"pixels are {low:g} to {high:g}")
