"""The rows of a table as a model takes them: matched to its inputs by the columns' names.

The values of an image are in one column as a list (in CSV as a list in JSON), or each in a column of its own:
pixels_0, pixels_1, ...
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from math import isfinite
from typing import Any, BinaryIO
from unicodedata import normalize as unicode_normalized

from portfolio.bundle.manifest import InputField
from portfolio.core.cells import is_missing, said_unsure, unsure_number, without_unit
from portfolio.core.dates import days_of, iso_date
from portfolio.core.errors import DataError

Row = dict[str, Any]
# An image of many pixels is one cell.
csv.field_size_limit(16 * 1024 * 1024)


def matched(
    rows: Iterable[Row], fields: Sequence[InputField], on_left_out: Callable[[list[str]], None], *, as_text: bool
) -> Iterator[Row]:
    """The rows with the model's inputs alone. `as_text`: their numbers are written as text.

    `on_left_out` is told, once for each, which columns are not inputs of the model. Raises DataError, naming the
    row, if an input is missing or does not fit: columns and number formats are checked here, and the server checks the
    values.
    """
    checked: frozenset[str] = frozenset()
    told: set[str] = set()
    number = 0
    for number, row in enumerate(rows, start=1):
        if row.keys() != checked:
            checked = frozenset(row)
            taken = _taken_columns(checked, fields, number)
            if left_out := [name for name in row if name not in taken | told]:
                on_left_out(left_out)
                told.update(left_out)
        yield {field.name: _value(field, row, number, as_text) for field in fields}
    if number == 0:
        raise DataError("It has no rows.")


def read_csv(stream: BinaryIO, separator: str = ",") -> Iterator[Row]:
    """The rows of CSV in UTF-8 with a header, every value as text. Raises DataError if it is none."""
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    reader = csv.DictReader(text, strict=True, delimiter=separator)
    try:
        if repeated := twice(reader.fieldnames or ()):
            raise DataError(f"The header has the column {repeated} twice. Remove one of them.")
        for number, row in enumerate(reader, start=1):
            # Values beyond the header are under None.
            if None in row or None in row.values():
                raise DataError(f"Row {number} does not have one value for each column of the header.")
            yield row
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"It is not valid CSV in UTF-8: {error}.") from error
    finally:
        # The stream is the caller's to close, who may have done so.
        if not stream.closed:
            text.detach()


def twice(names: Iterable[str]) -> str | None:
    """A name that appears more than once."""
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _taken_columns(columns: frozenset[str], fields: Sequence[InputField], number: int) -> set[str]:
    """Which of the columns the model takes. Raises DataError if one that it needs is missing."""
    taken = set()
    for field in fields:
        own = _own_columns(field)
        if field.name in columns:
            taken.add(field.name)
        elif own and columns.issuperset(own):
            taken.update(own)
        elif not field.nullable:
            # Of an image that is there in part, the columns that are not.
            missing = [name for name in own if name not in columns] if not columns.isdisjoint(own) else [field.name]
            more = f" and {len(missing) - 3:,} more" if len(missing) > 3 else ""
            are = "input {} is" if len(missing) == 1 else "inputs {} are"
            raise DataError(
                f"Row {number}: the {are.format(', '.join(missing[:3]) + more)} missing. "
                f"The model's inputs: {', '.join(field.name for field in fields)}."
            )
    if not taken:
        # Each of them may be missing, but not all: then the file is another, or written in another way.
        raise DataError(
            f"Row {number} has none of the model's inputs ({', '.join(field.name for field in fields)}), but "
            f"{', '.join(sorted(columns))[:80]}."
        )
    return taken


def _own_columns(field: InputField) -> list[str]:
    """The columns of an image's single values."""
    return [f"{field.name}_{place}" for place in range(field.width)] if field.kind == "image" else []


def _value(field: InputField, row: Row, number: int, as_text: bool) -> Any:
    if field.kind == "image":
        if field.name not in row:
            return [_number(field, row[name], number, as_text) for name in _own_columns(field)]
        value = row[field.name]
        try:
            values = json.loads(value) if as_text else value
        except (json.JSONDecodeError, RecursionError):
            values = value
        # Before its values are looked at, of which there may be any number.
        if not isinstance(values, list) or len(values) != field.width:
            raise DataError(f"Row {number}: {field.name} must be a list of {field.width} numbers.")
        return [_number(field, entry, number, as_text=False) for entry in values]
    value = row.get(field.name)
    if value is None or (as_text and _says_nothing(field, value)):
        if not field.nullable:
            raise DataError(f"Row {number}: {field.name} has no value.")
        return None
    if field.kind == "date":
        return _date(field, value, number)
    return value if field.is_string else _number(field, value, number, as_text)


def _date(field: InputField, value: Any, number: int) -> str | None:
    # In tables, a missing one is NaN; and outside of CSV too, a column of dates may be text.
    if field.nullable and (value != value or (isinstance(value, str) and is_missing(value))):
        return None
    try:
        return iso_date(days_of(value if isinstance(value, (str, date)) else json.dumps(value)))
    except ValueError as error:
        raise DataError(f"Row {number}: {field.name}: {error}.") from None


def _says_nothing(field: InputField, value: str) -> bool:
    """Whether a text stands for a missing value, as in training: blank, or a word such as NA that is no category."""
    if field.kind == "text" or not field.nullable:
        return field.nullable and not value.strip()
    return is_missing(value) and value not in field.categories


def _number(field: InputField, value: Any, number: int, as_text: bool) -> float | None:
    if isinstance(value, bool) or (isinstance(value, str) and not as_text):
        # The server takes neither for a number.
        raise DataError(f"Row {number}: {field.name} is {json.dumps(value)[:40]}, which is not a number.")
    if isinstance(value, str) and field.unsure_marks and _is_unsure(value, field.unsure_marks):
        raise DataError(f"Row {number}: {field.name} is {value[:40]!r}, which {said_unsure(value)}.")
    try:
        found = float(_plain(without_unit(value, field.unit) if isinstance(value, str) else value))
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"Row {number}: {field.name} is {str(value)[:40]!r}, which is not a number.") from None
    if isfinite(found):
        return found
    # In tables, a missing number is NaN.
    if field.nullable and found != found:
        return None
    raise DataError(f"Row {number}: {field.name} is {found}, which is not a finite number.")


def _is_unsure(value: str, marks: str) -> bool:
    return re.search(unsure_number(marks), unicode_normalized("NFKC", value)) is not None


def _plain(value: Any) -> Any:
    """Text as it is, unless only Python reads a number in it: 1_6 is 16 there."""
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        raise ValueError
    return value
