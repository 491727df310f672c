"""The rows of a file: CSV, TSV, Parquet, Excel or JSON. portfolio.bundle.rows matches them to the model's inputs."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

from portfolio.bundle.manifest import InputField
from portfolio.bundle.rows import Row, matched, read_csv, twice
from portfolio.contract.tables import as_text
from portfolio.core.errors import DataError

if TYPE_CHECKING:
    import polars as pl


def read_rows(
    stream: BinaryIO,
    form: str,
    fields: Sequence[InputField],
    on_left_out: Callable[[list[str]], None],
    missing: Mapping[str, Sequence[str]] = {},
) -> Iterator[Row]:
    """The rows of a file whose format is one of READERS, with the model's inputs alone.

    `on_left_out` is told, once for each, which columns are not inputs of the model. `missing` has, by column, what
    stands for a missing value there in tables, beside what always does. Raises DataError, naming the row, if an input
    is missing or does not fit.
    """
    rows = READERS[form](stream)
    if missing and form not in ("json", "jsonl"):
        rows = _without(rows, missing)
    # Only CSV and TSV write numbers as text.
    return matched(rows, fields, on_left_out, as_text=form in ("csv", "tsv"))


def _without(rows: Iterator[Row], missing: Mapping[str, Sequence[str]]) -> Iterator[Row]:
    """The rows, None where one has what stands for a missing value there, as in training."""
    # 999 stands for 999.0 too.
    codes = {name: {_code(word) for word in words} for name, words in missing.items()}
    for row in rows:
        yield {name: None if name in codes and _code(value) in codes[name] else value for name, value in row.items()}


def _code(value: Any) -> str | float:
    text = str(value).strip()
    try:
        return float(text)
    except ValueError:
        return text


def rows_of(
    table: pl.DataFrame, fields: Sequence[InputField], on_left_out: Callable[[list[str]], None]
) -> Iterator[Row]:
    """The same of a table that was read as for training. Raises DataError, naming the row, for a value of no kind."""
    import polars as pl

    from portfolio.data.normalize import normalize_inputs

    if table.is_empty():
        raise DataError("It has no rows.")
    if left_out := [name for name in table.columns if name not in {field.name for field in fields}]:
        on_left_out(left_out)
    found = normalize_inputs(fields, table)
    for field in fields:
        if not found.faults and field.kind == "number":
            column = found.frame[field.name]
            found.reject(column.is_infinite().fill_null(False), f"{field.name} is not a finite number")
    if found.faults:
        raise DataError(f"{'; '.join(found.faults)}.")
    if found.reasons:
        row = min(found.reasons)
        raise DataError(f"Row {row + 1}: {'; '.join(found.reasons[row])}.")
    arrays = [pl.col(name).arr.to_list() for name, kind in found.frame.schema.items() if isinstance(kind, pl.Array)]
    # As JSON has them.
    yield from found.frame.with_columns(*arrays, pl.col(pl.Date).cast(pl.String)).iter_rows(named=True)


def _from_csv(stream: BinaryIO, separator: str = ",") -> Iterator[Row]:
    try:
        yield from read_csv(stream, separator)
    except DataError as error:
        raise DataError(
            f"{error} A file in another encoding, or with another separator, is read as its use case declares it, in "
            "the project's folder."
        ) from error


def _from_parquet(stream: BinaryIO) -> Iterator[Row]:
    try:
        import polars as pl
    except ImportError as error:
        raise DataError("Reading Parquet needs polars: pip install polars. Or send CSV.") from error

    try:
        table = pl.read_parquet(io.BytesIO(stream.read()))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"It is not valid Parquet: {error}.") from error
    yield from table.select(as_text(column) for column in table).iter_rows(named=True)


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
        raise DataError(f"It is not valid JSON: {error}.") from error
    if isinstance(content, dict):
        content = content["instances"] if content.keys() == {"instances"} else [content]
    if not isinstance(content, list):
        raise DataError("It must be a list of objects, each with the inputs by name.")
    for number, row in enumerate(content, start=1):
        if not isinstance(row, dict):
            raise DataError(f"Row {number} is not an object with the inputs by name.")
        yield row


def _loads(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise DataError(f"An object has {twice(name for name, _ in pairs)} twice. Remove one of them.")
    return row


READERS: dict[str, Callable[[BinaryIO], Iterator[Row]]] = {
    "csv": _from_csv,
    "tsv": partial(_from_csv, separator="\t"),
    "parquet": _from_parquet,
    "json": _from_json,
    "jsonl": _from_json,
}
