"""Rows in one form, whatever types they came in: text, Float64, Date, arrays; and null for what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from unicodedata import normalize as unicode_normalized

import polars as pl

from portfolio.bundle.manifest import InputField
from portfolio.bundle.texts import normalized
from portfolio.contract.fields import is_of_bytes
from portfolio.contract.sources import calendar_days
from portfolio.contract.tables import as_text
from portfolio.contract.targets import Quantity
from portfolio.contract.use_case import UseCase
from portfolio.core.cells import GROUPED, MISSING, SIGNS, is_missing, signed_unit
from portfolio.core.dates import days_of
from portfolio.core.labels import category_text, declared, listed

Reasons = dict[int, list[str]]


@dataclass
class Normalized:
    """`frame` has the columns of the use case that there are; `reasons` say by row what is none of its kind."""

    frame: pl.DataFrame
    reasons: Reasons = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    """What is wrong with a whole column."""

    def reject(self, rows: pl.Series, reason: str) -> None:
        """Give a reason for each row where the bool series is true."""
        for row in rows.arg_true():
            self.reasons.setdefault(row, []).append(reason)


def normalize(use_case: UseCase, frame: pl.DataFrame) -> Normalized:
    """The columns that the use case names, each in the form of its kind.

    NaN, null, empty, blank, and words for "missing" such as NA are all missing, unless such a word is declared as a
    category or label. Integers are numbers; 1, 1.0, "1" and "1.0" are one category, and so are true, "true" and "True".
    """
    found = Normalized(frame)
    wanted, allowed = use_case.columns(), {*use_case.ignore, use_case.source.date}
    strange = [name for name in frame.columns if name not in wanted and name not in allowed]
    missing = [name for name in wanted if name not in frame.columns]
    if strange:
        found.faults.append(_columns(strange, "is neither an input nor ignored", "are neither inputs nor ignored"))
    if missing:
        found.faults.append(_columns(missing, "is missing", "are missing") + _only_listed(use_case, missing))
    if found.faults:
        return found
    by_name = {field.name: field for field in use_case.inputs}
    units = dict.fromkeys(use_case.source.cell_columns, "")
    if isinstance(use_case.target, Quantity):
        units[use_case.target.column] = use_case.target.unit
    columns = []
    for name in wanted:
        if name in by_name:
            columns.append(_column(by_name[name], frame[name], found))
        elif name in units:
            columns.append(_numbers(frame[name], found, units[name]))
        elif name == use_case.target.column:
            columns.append(_labels(frame[name], found, use_case.output.labels))
        else:
            columns.append(_labels(frame[name], found))
    found.frame = pl.DataFrame([column.alias(name) for name, column in zip(wanted, columns, strict=True)])
    return found


def _columns(names: Sequence[str], one: str, many: str) -> str:
    shown = listed([f"'{name}'" for name in names])
    return f"the column {shown} {one}" if len(names) == 1 else f"the columns {shown} {many}"


def _only_listed(use_case: UseCase, missing: Sequence[str]) -> str:
    """Where missing columns stand that are no inputs: a list may have another name than the data."""
    others = [name for name in missing if name not in {field.name for field in use_case.inputs}]
    lists = {"slices": use_case.slices, "split_by": use_case.source.split_columns}
    told = [f"'{name}' stands in `{where}`" for where, names in lists.items() for name in others if name in names]
    return f" ({', '.join(told)})" if told else ""


def normalize_inputs(fields: Sequence[InputField], frame: pl.DataFrame) -> Normalized:
    """The columns of a model's inputs alone, each in the form of its kind. One that may be missing may not be there."""
    found = Normalized(frame)
    missing = [field.name for field in fields if field.name not in frame.columns and not field.nullable]
    if missing:
        found.faults.append(_columns(missing, "is missing", "are missing"))
    else:
        nothing = pl.Series([None] * len(frame), dtype=pl.String)
        columns = [(field, frame[field.name] if field.name in frame.columns else nothing) for field in fields]
        found.frame = pl.DataFrame([_column(field, column, found).alias(field.name) for field, column in columns])
    return found


def _column(field: InputField, column: pl.Series, found: Normalized) -> pl.Series:
    if field.kind == "image":
        return _images(field, column, found)
    if field.kind == "text":
        texts = _labels(column, found)
        # A column of another type is a fault.
        return texts.map_elements(normalized, pl.String).replace("", None) if texts.dtype == pl.String else texts
    if field.kind == "date":
        return _dates(column, found)
    return _numbers(column, found, field.unit) if field.kind == "number" else _labels(column, found, field.categories)


def without_units(text: pl.Expr, unit: str) -> pl.Expr:
    """Numbers that are written with their unit, such as 1,568 kg, without it: `without_unit` for a column."""
    unit = unicode_normalized("NFKC", unit)
    bare = (
        plainly_signed(text)
        .str.strip_suffix(unit)
        .str.replace(signed_unit(unit), "${1}")
        .str.strip_prefix(unit)
        .str.strip_chars()
    )
    return pl.when(bare.str.contains(GROUPED)).then(bare.str.replace_all(",", "", literal=True)).otherwise(bare)


def plainly_signed(text: pl.Expr) -> pl.Expr:
    """Full-width characters as the usual ones, and negative numbers with a minus."""
    text = text.str.normalize("NFKC").str.strip_chars()
    for written, plain in SIGNS:
        text = text.str.replace(written, plain.replace(r"\1", "${1}"))
    return text


def _numbers(column: pl.Series, found: Normalized, unit: str) -> pl.Series:
    column = as_text(column)
    if _is_strange(column, found):
        return column
    if not (column.dtype.is_numeric() or column.dtype in (pl.String, pl.Boolean, pl.Null)):
        found.faults.append(f"the column '{column.name}' holds no numbers ({column.dtype})")
        return column
    if column.dtype == pl.String:
        text = column.str.strip_chars()
        text = text.set(text.str.to_lowercase().is_in(MISSING), None)
        numbers = text.cast(pl.Float64, strict=False)
        if numbers.null_count() > text.null_count():
            numbers = pl.select(without_units(pl.lit(text), unit).cast(pl.Float64, strict=False)).to_series()
        unread = numbers.is_null() & text.is_not_null()
        for row in unread.arg_true():
            found.reasons.setdefault(row, []).append(f"{column.name}: '{text[row][:40]}' is not a number")
    else:
        numbers = column.cast(pl.Float64, strict=False)
    return numbers.fill_nan(None)


def _labels(column: pl.Series, found: Normalized, known: Sequence[str] = ()) -> pl.Series:
    """Text; of a column with known labels, those that are written in another way are brought to theirs."""
    column = as_text(column)
    if _is_strange(column, found):
        return column
    if column.dtype.is_nested():
        found.faults.append(f"the column '{column.name}' holds no single values ({column.dtype})")
        return column
    if column.dtype.is_float():
        column = pl.select(pl.when(column.is_finite()).then(column)).to_series()
    elif column.dtype.is_temporal():
        column = column.cast(pl.String)
    elif column.dtype.is_decimal():
        # 1.00 and 1 are one category, as of floats.
        column = column.cast(pl.String).str.replace(r"(\.\d*?)0+$", "${1}").str.strip_suffix(".")
    values = column.unique().drop_nulls()
    texts = [category_text(value) for value in values]
    formed = pl.Series([_label(text, known) for text in texts], dtype=pl.String)
    return column.replace_strict(values, formed, default=None, return_dtype=pl.String)


def _dates(column: pl.Series, found: Normalized) -> pl.Series:
    if column.dtype in (pl.Date, pl.Datetime):
        return calendar_days(column)
    texts = _labels(column, found)
    if found.faults:
        return texts
    texts = texts.set(texts.str.strip_chars().str.to_lowercase().is_in(MISSING), None)
    days: dict[str, int] = {}
    unread: dict[str, str] = {}
    for text in texts.unique().drop_nulls():
        try:
            days[text] = days_of(text)
        except ValueError as error:
            unread[text] = f"{column.name}: {error}"
    for row in texts.is_in(list(unread)).fill_null(False).arg_true():
        found.reasons.setdefault(row, []).append(unread[texts[row]])
    return texts.replace_strict(days, default=None, return_dtype=pl.Int32).cast(pl.Date)


def dates(column: pl.Series) -> tuple[pl.Series, Reasons]:
    """A column of dates as `normalize` gives it, and by row why a value is none."""
    found = Normalized(column.to_frame())
    return _dates(column, found), found.reasons


def labels(column: pl.Series) -> pl.Series:
    """A column of single values, such as keys, as `normalize` gives it."""
    return _labels(column, Normalized(column.to_frame()))


def _is_strange(column: pl.Series, found: Normalized) -> bool:
    """Whether the column is of a type that Parquet has, and that is neither text nor numbers: then it is a fault."""
    if column.dtype == pl.Binary:
        found.faults.append(f"the column '{column.name}' holds bytes that are no text in UTF-8: store it as text")
    elif column.dtype == pl.Duration:
        found.faults.append(f"the column '{column.name}' holds durations ({column.dtype}): store it as text or numbers")
    return column.dtype in (pl.Binary, pl.Duration)


def _label(text: str, known: Sequence[str]) -> str | None:
    if not text.strip():
        return None
    found = declared(text, known) if known else text
    return None if found not in known and known and is_missing(text) else found


def _images(field: InputField, column: pl.Series, found: Normalized) -> pl.Series:
    of_bytes = is_of_bytes(field)
    if of_bytes and column.dtype == pl.Array(pl.UInt8, field.width) and not column.explode().null_count():
        return column
    lists = column.arr.to_list() if isinstance(column.dtype, pl.Array) else column
    if not isinstance(lists.dtype, pl.List) or not _may_be_pixels(lists.clear().explode().dtype):
        found.faults.append(f"the column '{column.name}' holds no lists of pixels")
        return column
    pixels = lists.cast(pl.List(pl.Float32), strict=False)
    number = pl.element().is_not_null() & pl.element().is_not_nan()
    if of_bytes:
        number &= pl.element().is_between(0, 255) & (pl.element() == pl.element().floor())
    fits = (pixels.list.len() == field.width) & pixels.list.eval(number).list.all()
    what = "whole numbers of 0 to 255" if of_bytes else "numbers"
    found.reject(~fits.fill_null(False), f"{column.name}: must be {field.width} {what}")
    blank = pl.Series([[0.0] * field.width], dtype=pl.List(pl.Float32))
    # The rows that do not fit have a reason already; they only have to have a form.
    formed = pl.select(pl.when(fits).then(pixels).otherwise(pl.lit(blank).first())).to_series()
    return formed.list.to_array(field.width).cast(pl.Array(pl.UInt8 if of_bytes else pl.Float32, field.width))


def _may_be_pixels(kind: pl.DataType) -> bool:
    return kind.is_numeric() or kind in (pl.String, pl.Boolean, pl.Null)
