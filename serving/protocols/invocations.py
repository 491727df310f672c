"""MLflow's scoring protocol: /invocations takes the rows or columns of a table, tensors, or CSV."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from typing import Any

import orjson
from pydantic_core import from_json

from portfolio.bundle.rows import Row, matched, read_csv
from portfolio.core.errors import DataError
from serving.errors import RequestError, field_error
from serving.front.exchange import JSON, Exchange
from serving.protocols import size
from serving.protocols.answers import answer_rows
from serving.protocols.query import Query, Reply, Result
from serving.protocols.schema import RequestSchema
from serving.runtime.served import ServedModel

FORMS = ("instances", "inputs", "dataframe_split", "dataframe_records")
CSV = b"text/csv"
# Columns that the model does not take, beside those that it does: whole rows may be sent.
SPARE_COLUMNS = 100


class Invocations:
    name = "invocations"

    def read(self, model: ServedModel, exchange: Exchange, body: bytes) -> Query:
        """The rows of a JSON or CSV body. Columns that the model does not take are left out, as MLflow does."""
        schema = model.schema
        if exchange.content_type == CSV:
            return Query(*schema.from_rows(_rows_of_csv(body, schema), "csv"))
        if exchange.content_type != JSON:
            raise RequestError(
                415, "unknown_type", "Send JSON or CSV, with Content-Type: application/json or text/csv."
            )
        spare = schema.max_rows * SPARE_COLUMNS
        content = _read_json(size.checked(body, schema.max_values + spare, schema.max_keys + spare))
        if not isinstance(content, dict):
            raise field_error("body", f"must be an object with one of: {', '.join(FORMS)}")
        # MLflow's clients may send model parameters. Our models have none.
        form, *others = [key for key in content if key != "params"] or [""]
        if others or form not in FORMS:
            raise field_error(str(form or "body"), f"must be exactly one of: {', '.join(FORMS)}")
        rows = _rows(form, _few_enough(form, content[form], schema.max_rows), [field.name for field in schema.fields])
        return Query(*schema.from_rows(_without_others(rows, form, schema), form))

    def write(self, model: ServedModel, query: Query, result: Result) -> Reply:
        predictions = answer_rows(model.bundle, result.decisions)
        # MLflow's clients show no headers, and feedback names the request.
        return orjson.dumps({"predictions": predictions, "request_id": result.request_id}), JSON, []


def _read_json(body: bytes) -> Any:
    """Raises RequestError if it is not JSON. As MLflow's clients send a missing number, NaN is allowed."""
    try:
        return from_json(body)
    except ValueError as error:
        raise field_error("body", f"is not valid JSON: {error}") from error


def _few_enough(form: str, content: Any, max_rows: int) -> Any:
    """The content of a form. Raises RequestError if it has too many rows, before anything is made of them."""
    of_rows = content
    if isinstance(content, dict):
        of_rows = content.get("data") if form == "dataframe_split" else max(content.values(), key=_length, default=None)
    if _length(of_rows) > max_rows:
        raise field_error(form, f"must have at most {max_rows:,} rows, not {_length(of_rows):,}")
    return content


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list) else 0


def _rows_of_csv(body: bytes, schema: RequestSchema) -> list[Row]:
    left_out: list[str] = []
    read: set[str] = set()

    def noted(rows: Iterator[Row]) -> Iterator[Row]:
        for row in islice(rows, schema.max_rows + 1):
            read.update(row)
            yield row

    try:
        rows = list(matched(noted(read_csv(BytesIO(body))), schema.fields, left_out.extend, as_text=True))
    except DataError as error:
        raise field_error("csv", str(error).rstrip(".")) from error
    _check_left_out(left_out, read, "csv", schema)
    return rows


def _without_others(rows: Any, form: str, schema: RequestSchema) -> Any:
    """The rows without the columns that the model does not take."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return rows
    names = {field.name for field in schema.fields}
    others: set[str] = set()
    for row in rows:
        others |= row.keys() - names
    if not others:
        return rows
    _check_left_out(list(others), set.intersection(*(set(row) for row in rows)), form, schema)
    return [{name: value for name, value in row.items() if name in names} for row in rows]


def _check_left_out(left_out: list[str], columns: set[str], form: str, schema: RequestSchema) -> None:
    """Raises RequestError if a column is unknown where an input is missing: its name may be misspelled."""
    missing = [field.name for field in schema.fields if field.name not in columns and field.kind != "image"]
    if left_out and missing:
        raise field_error(
            f"{form}.{left_out[0]}", f"no such input, and the input {missing[0]} is missing; is its name misspelled?"
        )


def _rows(form: str, content: Any, fields: list[str]) -> Any:
    """The rows by field name, from any of the four forms. Their values are checked afterwards."""
    if form == "dataframe_records":
        return content
    if form == "dataframe_split":
        return _rows_of_split(content, fields)
    if isinstance(content, dict):
        return _rows_of_columns(form, content)
    if not isinstance(content, list):
        raise field_error(form, "must be a list, or an object with a list for each field")
    if all(isinstance(row, dict) for row in content):
        return content
    if len(fields) != 1:
        raise field_error(form, f"must name the fields, because there are several: {', '.join(fields)}")
    return [{fields[0]: _flat(row)} for row in content]


def _rows_of_split(content: Any, fields: list[str]) -> list[Row]:
    if not isinstance(content, dict) or not {"columns", "data"} <= content.keys() <= {"columns", "data", "index"}:
        raise field_error("dataframe_split", "must have columns and data, and may have index")
    columns, data = content["columns"], content["data"]
    is_unnamed = len(fields) == 1 and columns and _are_numbers(columns)
    if not isinstance(columns, list) or not (is_unnamed or all(isinstance(name, str) for name in columns)):
        raise field_error("dataframe_split.columns", "must be a list of names")
    if len(set(columns)) != len(columns):
        raise field_error("dataframe_split.columns", "a name appears twice")
    if not isinstance(data, list):
        raise field_error("dataframe_split.data", "must be a list of rows")
    for number, row in enumerate(data):
        if not isinstance(row, list) or len(row) != len(columns):
            raise field_error(
                f"dataframe_split.data.{number}", f"must be a list of {len(columns)} values, one per column"
            )
    if is_unnamed:
        # A frame made of an array: a row is the image.
        return [{fields[0]: _flat(row)} for row in data]
    return [dict(zip(columns, row, strict=True)) for row in data]


def _are_numbers(columns: Any) -> bool:
    """Whether the columns are 0, 1, 2, ..., which is what pandas calls those that have no name."""
    return isinstance(columns, list) and list(map(str, columns)) == [str(number) for number in range(len(columns))]


def _rows_of_columns(form: str, columns: dict[str, Any]) -> list[Row]:
    lengths = {len(column) if isinstance(column, list) else -1 for column in columns.values()}
    if len(lengths) != 1 or -1 in lengths:
        raise field_error(form, "must have a list for each field, all of the same length")
    return [{name: _flat(column[row]) for name, column in columns.items()} for row in range(lengths.pop())]


def _flat(value: Any) -> Any:
    """A nested list flattened, and a list of one value as that value, since it stands for a tensor [rows, 1]."""
    if isinstance(value, list) and value and all(isinstance(part, list) for part in value):
        return [entry for part in value for entry in part]
    return value[0] if isinstance(value, list) and len(value) == 1 else value
