"""The target: a quantity, or classes with the one of interest last; and what can't be predicted."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import NamedTuple

import polars as pl

from portfolio.core.errors import ConfigError, DataError
from portfolio.profiling.columns import Column
from portfolio.profiling.sample import Sample
from portfolio.profiling.values import NO_LABEL, model_column
from portfolio.profiling.words import written_otherwise

MAX_CLASSES = 100
MAX_COUNT_CLASSES = 20
"""A target of more different numbers is a quantity."""
MIN_ROWS_PER_CLASS = 5


class Target(NamedTuple):
    """What is to be predicted."""

    column: Column
    quantity: bool
    counts: dict[str, int]
    """Rows of the sample by label, in the order in which the classes are declared; empty for a quantity."""
    log: bool
    """Whether a model is to learn the logarithm."""


def as_target(rows: pl.DataFrame, column: Column) -> Column:
    """The column as a target: of labels, a code is as good as any, and a word for nothing may be a class."""
    if column.kind in ("constant", "category") and column.missing_share:
        word = rows[column.name].cast(pl.String).str.strip_chars().str.to_lowercase() == "none"
        if word.sum() >= MIN_ROWS_PER_CLASS:
            labels = _label_counts(rows[column.name], column)
            column.kind, column.values, column.distinct = "category", sorted(labels), len(labels)
            column.missing_share = 1 - sum(labels.values()) / len(rows)
    if column.kind == "identifier" and column.minimum is not None:
        # Nobody wants to predict ids: these are quantities that each come once.
        column.kind = "number"
    if column.kind == "number" and not _is_quantity(column) and _are_written_otherwise(rows[column.name], column):
        # Rows are read with the labels that the file has.
        labels = _label_counts(rows[column.name], replace(column, kind="category"))
        column.kind, column.values, column.distinct, column.stray = "category", sorted(labels), len(labels), 0
    if column.kind in ("code", "identifier", "text") and not written_otherwise(column):
        counts = rows[column.name].cast(pl.String).alias("value").value_counts()
        if len(counts) <= MAX_CLASSES and column.distinct * MIN_ROWS_PER_CLASS <= len(rows):
            column.kind, column.values = "category", sorted(value for value in counts["value"] if value is not None)
    return column


def _is_quantity(column: Column) -> bool:
    return column.distinct > MAX_COUNT_CLASSES or not column.integer


def _are_written_otherwise(values: pl.Series, column: Column) -> bool:
    """Whether some numbers have a unit, or a sign such as △, so that they are texts to most programs."""
    if values.dtype != pl.String:
        return False
    return model_column(values.to_frame(), column).count() > values.cast(pl.Float64, strict=False).is_finite().sum()


def target_of(sample: Sample, column: Column, positive: str) -> Target:
    """Raises DataError if nothing can be predicted of it, and ConfigError if `positive` is none of its classes."""
    name, rows = column.name, sample.rows
    where = f"{sample.path}: the target '{name}'"
    if column.kind in ("constant", "empty") or column.distinct < 2:
        raise DataError(f"{where} has one value or none: there is nothing to predict. Choose another column.")
    if column.kind in ("date", "nested"):
        raise DataError(
            f"{where} holds {'dates' if column.kind == 'date' else 'lists or durations'}, which no model here predicts."
        )
    quantity = column.kind == "number" and _is_quantity(column)
    if column.kind in ("identifier", "text", "code"):
        if other := written_otherwise(column):
            raise DataError(f"{where} has {other}.")
        raise DataError(
            f"{where} has {column.distinct:,} different values in {len(rows):,} rows, such as '{column.values[0]}': "
            f"too many to be classes (up to {MAX_CLASSES}, of {MIN_ROWS_PER_CLASS} rows or more), and they are not "
            "numbers. Choose another column, or group its values."
        )
    counts: dict[str, int] = {}
    log = False
    if quantity:
        log = _is_skewed(model_column(rows, column), column)
        if positive:
            raise ConfigError(f"--positive is for a class, and the target '{name}' is a quantity. Leave it out.")
    else:
        counts = _ordered(_label_counts(rows[name], column), positive)
    return Target(column, quantity, counts, log)


def if_classes(target: Target, rows: int) -> list[str]:
    """A note on a quantity whose numbers may name classes: all from 0 or 1 on, each of some rows."""
    name, first, last, distinct = (
        target.column.name,
        target.column.minimum,
        target.column.maximum,
        target.column.distinct,
    )
    if not target.quantity or not target.column.integer or first not in (0, 1) or last != first + distinct - 1:
        return []
    if distinct > MAX_CLASSES or distinct * MIN_ROWS_PER_CLASS > rows:
        return []
    return [
        f"'{name}' has {distinct} different integers, which were taken as a quantity. If each names a class: target = "
        f"Classes({json.dumps(name, ensure_ascii=False)}, list(range({first:.0f}, {last + 1:.0f})))"
    ]


def _label_counts(values: pl.Series, column: Column) -> dict[str, int]:
    if column.kind == "number":
        # What is none, such as a mistake or a word for nothing, is no label either.
        numbers = values.cast(pl.Float64, strict=False)
        values = numbers.set(~numbers.is_finite(), None).cast(pl.Int64)
    texts = values.cast(pl.String).str.strip_chars()
    nothing = texts.str.to_lowercase().is_in(NO_LABEL) | texts.is_in(column.missing_words)
    texts = texts.filter(texts.is_not_null() & ~nothing).alias("label")
    counts = texts.value_counts()
    return dict(sorted(zip(counts["label"], counts["count"], strict=True), key=lambda item: _sorting(item[0])))


def _sorting(label: str) -> tuple[int, float, str]:
    try:
        return 0, float(label), label
    except ValueError:
        return 1, 0.0, label


GRADE = re.compile(r"(\D*)\d+(\D*)")


def are_grades(column: Column, labels: list[str]) -> bool:
    """Whether three or more labels may be in an order: numbers, or numbers with the same around each, as in ★1."""
    around = {grade.groups() if (grade := GRADE.fullmatch(label)) else None for label in labels}
    return len(labels) > 2 and (column.kind == "number" or (len(around) == 1 and None not in around))


YES = ("1", "yes", "y", "true", "t", "positive", "はい", "有", "あり")


def _ordered(counts: dict[str, int], positive: str) -> dict[str, int]:
    """With the class of interest last, as scikit-learn has it: the one that was named; of two, yes, or the rarer."""
    if positive and positive not in counts:
        raise ConfigError(f"--positive: there is no class '{positive}'. There are: {', '.join(counts)}.")
    if not positive and len(counts) == 2:
        said = [label for label in counts if label.lower() in YES]
        positive = said[0] if said else min(counts, key=lambda label: counts[label])
    return {label: count for label, count in counts.items() if label != positive} | (
        {positive: counts[positive]} if positive else {}
    )


def _is_skewed(values: pl.Series, column: Column) -> bool:
    """Whether a logarithm would help: the values are above 0, and some are many times the median."""
    if column.minimum is None or column.minimum <= 0:
        return False
    numbers = values.drop_nulls()
    high, median = numbers.quantile(0.99), numbers.median()
    return isinstance(high, float) and isinstance(median, float) and high > 4 * median
