"""MLflow's scoring protocol: /invocations takes the rows or columns of a table, or tensors."""

from __future__ import annotations

from typing import Any

import orjson

from serving.errors import RequestError, field_error
from serving.front.exchange import JSON, Exchange
from serving.protocols.answers import answer_rows
from serving.protocols.query import Query, Reply, Result
from serving.runtime.served import ServedModel

FORMS = ("instances", "inputs", "dataframe_split", "dataframe_records")
Row = dict[str, Any]


class Invocations:
    name = "invocations"

    def read(self, model: ServedModel, exchange: Exchange, body: bytes) -> Query:
        if exchange.content_type != JSON:
            raise RequestError(415, "unknown_type", "Send JSON, with Content-Type: application/json.")
        content = read_json(body)
        if not isinstance(content, dict):
            raise field_error("body", f"must be an object with one of: {', '.join(FORMS)}")
        # MLflow's clients may send model parameters. Our models have none.
        form, *others = [key for key in content if key != "params"] or [""]
        if others or form not in FORMS:
            raise field_error(str(form or "body"), f"must be exactly one of: {', '.join(FORMS)}")
        fields = [field.name for field in model.schema.fields]
        return Query(*model.schema.from_rows(_rows(form, content[form], fields), form))

    def write(self, model: ServedModel, query: Query, result: Result) -> Reply:
        predictions = answer_rows(model.bundle.manifest, result.decisions)
        return orjson.dumps({"predictions": predictions}), JSON, []


def read_json(body: bytes) -> Any:
    """Raises RequestError if it is not JSON. NaN and Infinity are not."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise field_error("body", f"is not valid JSON: {error}") from error


def _rows(form: str, content: Any, fields: list[str]) -> Any:
    """The rows by field name, from any of the four forms. Their values are checked afterwards."""
    if form == "dataframe_records":
        return content
    if form == "dataframe_split":
        return _rows_of_split(content)
    if isinstance(content, dict):
        return _rows_of_columns(form, content)
    if not isinstance(content, list):
        raise field_error(form, "must be a list, or an object with a list for each field")
    if all(isinstance(row, dict) for row in content):
        return content
    if len(fields) != 1:
        raise field_error(form, f"must name the fields, because there are several: {', '.join(fields)}")
    return [{fields[0]: _flat(row)} for row in content]


def _rows_of_split(content: Any) -> list[Row]:
    if not isinstance(content, dict) or not {"columns", "data"} <= content.keys() <= {"columns", "data", "index"}:
        raise field_error("dataframe_split", "must have columns and data, and may have index")
    columns, data = content["columns"], content["data"]
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
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
    return [dict(zip(columns, row, strict=True)) for row in data]


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
