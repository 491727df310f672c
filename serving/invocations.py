"""MLflow's scoring protocol: /invocations takes rows or columns of a table, or tensors."""

from __future__ import annotations

from typing import Any

import orjson

from serving.answers import answer_rows
from serving.champion import Serving
from serving.exchange import JSON, Exchange, RequestError, field_error
from serving.query import Query, Reply, Result

FORMS = ("instances", "inputs", "dataframe_split", "dataframe_records")
Row = dict[str, Any]


class Invocations:
    name = "invocations"

    def read(self, now: Serving, exchange: Exchange, body: bytes) -> Query:
        if exchange.content_type != JSON:
            raise RequestError(415, "unknown_type", "Send JSON, with Content-Type: application/json.")
        content = read_json(body)
        if not isinstance(content, dict):
            raise field_error("body", f"must be an object with one of: {', '.join(FORMS)}")
        # MLflow's clients may send parameters of the model; there are none here.
        form, *others = [key for key in content if key != "params"] or [""]
        if others or form not in FORMS:
            raise field_error(str(form or "body"), f"say exactly one of: {', '.join(FORMS)}")
        fields = [field.name for field in now.requests.fields]
        return Query(*now.requests.from_rows(_rows(form, content[form], fields), form))

    def write(self, now: Serving, query: Query, result: Result) -> Reply:
        predictions = answer_rows(now.bundle.manifest, result.decisions)
        return orjson.dumps({"predictions": predictions}), JSON, []


def read_json(body: bytes) -> Any:
    """Raises RequestError where it is no JSON, which NaN and Infinity are not."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise field_error("body", f"is no JSON: {error}") from error


def _rows(form: str, content: Any, fields: list[str]) -> Any:
    """The rows, by field name, in any of the four forms. What is in them is checked afterwards."""
    if form == "dataframe_records":
        return content
    if form == "dataframe_split":
        return _rows_of_split(content)
    if isinstance(content, dict):
        return _rows_of_columns(form, content)
    if not isinstance(content, list):
        raise field_error(form, "must be a list, or an object of lists by field")
    if all(isinstance(row, dict) for row in content):
        return content
    if len(fields) != 1:
        raise field_error(form, f"must name the fields, since there are several: {', '.join(fields)}")
    return [{fields[0]: _flat(row)} for row in content]


def _rows_of_split(content: Any) -> list[Row]:
    if not isinstance(content, dict) or not {"columns", "data"} <= content.keys() <= {"columns", "data", "index"}:
        raise field_error("dataframe_split", "must have columns and data, and may have index")
    columns, data = content["columns"], content["data"]
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise field_error("dataframe_split.columns", "must be a list of names")
    if len(set(columns)) != len(columns):
        raise field_error("dataframe_split.columns", "a name is there twice")
    if not isinstance(data, list):
        raise field_error("dataframe_split.data", "must be a list of rows")
    for number, row in enumerate(data):
        if not isinstance(row, list) or len(row) != len(columns):
            raise field_error(
                f"dataframe_split.data.{number}", f"must be a list of {len(columns)} values, one a column"
            )
    return [dict(zip(columns, row, strict=True)) for row in data]


def _rows_of_columns(form: str, columns: dict[str, Any]) -> list[Row]:
    lengths = {len(column) if isinstance(column, list) else -1 for column in columns.values()}
    if len(lengths) != 1 or -1 in lengths:
        raise field_error(form, "must have a list for each field, all of one length")
    return [{name: _flat(column[row]) for name, column in columns.items()} for row in range(lengths.pop())]


def _flat(value: Any) -> Any:
    """A nested list as one list, and a list of one value as that value where it stands for a tensor [rows, 1]."""
    if isinstance(value, list) and value and all(isinstance(part, list) for part in value):
        return [entry for part in value for entry in part]
    return value[0] if isinstance(value, list) and len(value) == 1 else value
