"""The rows of a file as a server takes them: CSV, Parquet or JSON, matched to the model's inputs by the columns' names.

The values of an image stand in one column as a list (in CSV as a list in JSON), or each in a column of its own:
pixels_0, pixels_1, ...
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import isfinite
from typing import Any, BinaryIO

from portfolio.bundle.manifest import InputField
from portfolio.core.errors import DataError

Row = dict[str, Any]
# An image of many pixels is one cell.
csv.field_size_limit(16 * 1024 * 1024)


def read_rows(
    stream: BinaryIO, form: str, fields: Sequence[InputField], on_left_out: Callable[[list[str]], None]
) -> Iterator[Row]:
    """The rows of a file whose form is one of READERS, with the model's inputs alone.

    `on_left_out` is told, once for each, which columns are none of the model's inputs. Raises DataError, naming the
    row, where an input is missing or does not fit: what a column is and how it is written is judged here, and what the
    values may be is for the server to say.
    """
    checked: frozenset[str] = frozenset()
    told: set[str] = set()
    # Only CSV writes numbers as text.
    as_text = form == "csv"
    number = 0
    for number, row in enumerate(READERS[form](stream), start=1):
        if row.keys() != checked:
            checked = frozenset(row)
            taken = _taken_columns(checked, fields, number)
            if left_out := [name for name in row if name not in taken | told]:
                on_left_out(left_out)
                told.update(left_out)
        yield {field.name: _value(field, row, number, as_text) for field in fields}
    if number == 0:
        raise DataError("There is no row in it.")


def _from_csv(stream: BinaryIO) -> Iterator[Row]:
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    reader = csv.DictReader(text, restkey="", strict=True)
    try:
        if twice := _twice(reader.fieldnames or ()):
            raise DataError(f"The header has the column {twice} twice. Which one counts? Leave one out.")
        for number, row in enumerate(reader, start=1):
            if "" in row or None in row.values():
                raise DataError(f"Row {number} has not one value for each of the header's columns.")
            yield row
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"It is not CSV in UTF-8: {error}.") from error
    finally:
        # The stream is the caller's to close.
        text.detach()


def _from_parquet(stream: BinaryIO) -> Iterator[Row]:
    try:
        import polars as pl
    except ImportError as error:
        raise DataError("To read Parquet, polars is needed: pip install polars. Or send CSV.") from error

    try:
        table = pl.read_parquet(io.BytesIO(stream.read()))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"It is not Parquet: {error}.") from error
    yield from table.iter_rows(named=True)


def _from_json(stream: BinaryIO) -> Iterator[Row]:
    """A list of objects, the same under `instances` as the server takes it, one object, or one object a line."""
    try:
        text = stream.read().decode("utf-8-sig")
        try:
            content = _loads(text)
        except json.JSONDecodeError as error:
            if "Extra data" not in error.msg:
                raise
            content = [_loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise DataError(f"It is not JSON: {error}.") from error
    if isinstance(content, dict):
        content = content["instances"] if content.keys() == {"instances"} else [content]
    if not isinstance(content, list):
        raise DataError("It must be a list of objects, each with the inputs by their names.")
    for number, row in enumerate(content, start=1):
        if not isinstance(row, dict):
            raise DataError(f"Row {number} is no object with the inputs by their names.")
        yield row


def _loads(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise DataError(f"An object has {_twice(name for name, _ in pairs)} twice. Which one counts? Leave one out.")
    return row


def _twice(names: Iterable[str]) -> str | None:
    """A name that is there more than once."""
    return next((name for name, count in Counter(names).items() if count > 1), None)


READERS: dict[str, Callable[[BinaryIO], Iterator[Row]]] = {
    "csv": _from_csv,
    "parquet": _from_parquet,
    "json": _from_json,
    "jsonl": _from_json,
}


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
        except json.JSONDecodeError:
            values = value
        if not isinstance(values, list):
            raise DataError(f"Row {number}: {field.name} must be a list of {field.width} numbers.")
        return [_number(field, entry, number, as_text=False) for entry in values]
    value = row.get(field.name)
    if value is None or (as_text and value == "" and field.nullable):
        if not field.nullable:
            raise DataError(f"Row {number}: {field.name} has no value.")
        return None
    return value if field.is_string else _number(field, value, number, as_text)


def _number(field: InputField, value: Any, number: int, as_text: bool) -> float | None:
    if isinstance(value, bool) or (isinstance(value, str) and not as_text):
        # The server takes neither for a number.
        raise DataError(f"Row {number}: {field.name} is {json.dumps(value)[:40]}, and no number.")
    try:
        found = float(_plain(value))
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"Row {number}: {field.name} is {str(value)[:40]!r}, and no number.") from None
    if isfinite(found):
        return found
    # In tables, a missing number is NaN.
    if field.nullable and found != found:
        return None
    raise DataError(f"Row {number}: {field.name} is {found}, and no finite number.")


def _plain(value: Any) -> Any:
    """Text as it is, unless only Python reads a number in it: 1_6 is 16 there."""
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        raise ValueError
    return value
