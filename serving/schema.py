"""What a request may hold, made from a bundle's manifest: field names, types, ranges and an example.

Every protocol ends in the same checks: rows of plain values are checked by one strict model, tensors by `checked`.
"""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from portfolio.bundle.bundle import to_array
from portfolio.bundle.manifest import InputField, Manifest
from portfolio.core.types import Array
from serving.exchange import RequestError, field_error

MAX_TEXT_LENGTH = 10_000
MAX_DETAILS = 10
FLOAT32_MAX = float(np.finfo(np.float32).max)
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Row = dict[str, Any]
Inputs = dict[str, Array]


class Requests:
    """The requests that one bundle takes."""

    def __init__(self, manifest: Manifest, max_rows: int) -> None:
        self.fields = manifest.inputs
        self.max_rows = max_rows
        self.example: Row = {field.name: field.example for field in self.fields}
        row = _typed("Instance", {field.name: _annotation(field) for field in self.fields})
        rows = Annotated[list[row], Field(min_length=1, max_length=max_rows)]  # type: ignore[valid-type]
        request = _typed("PredictRequest", {"instances": rows})
        request.__pydantic_config__ = ConfigDict(**STRICT, json_schema_extra={"example": {"instances": [self.example]}})
        self._rows: TypeAdapter[list[Row]] = TypeAdapter(rows)
        self._request: TypeAdapter[dict[str, list[Row]]] = TypeAdapter(request)

    def json_schema(self) -> dict[str, Any]:
        """The schema of `/predict`'s body, with its definitions under `$defs`."""
        return self._request.json_schema(ref_template="#/components/schemas/{model}")

    def read(self, body: bytes) -> tuple[Inputs, int]:
        """The tensors of a JSON body `{"instances": [{field: value, ...}, ...]}` and the number of its rows.

        Raises RequestError naming the fields that do not fit.
        """
        try:
            return self._arrays(self._request.validate_json(body)["instances"])
        except ValidationError as error:
            raise invalid(error) from error

    def from_rows(self, rows: object, name: str) -> tuple[Inputs, int]:
        """The tensors of rows that have been read from JSON already; `name` is what faults call them."""
        try:
            return self._arrays(self._rows.validate_python(rows))
        except ValidationError as error:
            raise invalid(error, name) from error

    def from_tensors(self, tensors: dict[str, Array], rows: int) -> tuple[Inputs, int]:
        """The same for tensors, of any shape that starts with the number of rows."""
        if not 1 <= rows <= self.max_rows:
            raise field_error("inputs", f"there are {rows:,} rows, and 1 to {self.max_rows:,} are allowed")
        known = {field.name for field in self.fields}
        for name in tensors.keys() - known:
            raise field_error(name, f"there is no such input. There are: {', '.join(sorted(known))}")
        return {field.name: _checked(field, tensors.get(field.name), rows) for field in self.fields}, rows

    def _arrays(self, rows: list[Row]) -> tuple[Inputs, int]:
        return {field.name: to_array(field, [row.get(field.name) for row in rows]) for field in self.fields}, len(rows)


def _typed(name: str, fields: dict[str, Any]) -> Any:
    """A strict dictionary type. Of a name that is no identifier too, as columns of tables may have."""
    make: Any = TypedDict  # which a type checker takes for a statement
    typed = make(name, fields)
    typed.__pydantic_config__ = STRICT
    return typed


def _annotation(field: InputField) -> Any:
    """The type of one field. A field that may be missing may also be left out."""
    # Beyond float32's own bounds a number would become infinite.
    bounds: dict[str, Any] = {
        "ge": -FLOAT32_MAX if field.minimum is None else field.minimum,
        "le": FLOAT32_MAX if field.maximum is None else field.maximum,
    }
    about: dict[str, Any] = {"description": field.description, "examples": [field.example]}
    if field.kind == "image":
        value: Any = Annotated[float, Field(**bounds)]
        return Annotated[list[value], Field(min_length=field.width, max_length=field.width, **about)]
    if field.is_string:
        value = Annotated[str, Field(max_length=MAX_TEXT_LENGTH, **about)]
    else:
        value = Annotated[float, Field(**bounds, **about)]
    return NotRequired[value | None] if field.nullable else value


def _checked(field: InputField, tensor: Array | None, rows: int) -> Array:
    """One field's tensor as the graph takes it, [rows, width]. Raises RequestError if it does not fit."""
    if tensor is None:
        if not field.nullable:
            raise field_error(field.name, "this input is missing")
        return to_array(field, [None] * rows)
    if tensor.size != rows * field.width:
        raise field_error(field.name, f"shape {list(tensor.shape)} is not {rows} rows of {field.width} values")
    array = tensor.reshape(rows, field.width)
    if field.is_string:
        if array.dtype != object:
            raise field_error(field.name, "its values must be text")
        if max(map(len, array[:, 0])) > MAX_TEXT_LENGTH:
            raise field_error(field.name, f"a text has over {MAX_TEXT_LENGTH:,} characters")
        return array
    if array.dtype.kind not in "iuf":
        raise field_error(field.name, "its values must be numbers")
    with np.errstate(over="ignore"):
        # What is too large for float32 becomes infinite, and is refused below.
        array = array.astype(np.float32)
    finite = np.isfinite(array)
    allowed = finite | np.isnan(array) if field.nullable else finite
    if not allowed.all():
        raise field_error(f"{field.name}.{int(np.argmin(allowed.all(axis=1)))}", "a value is not a finite number")
    for low, bound, words in ((True, field.minimum, "at least"), (False, field.maximum, "at most")):
        if bound is not None:
            outside = finite & ((array < bound) if low else (array > bound))
            if outside.any():
                raise field_error(
                    f"{field.name}.{int(np.argmax(outside.any(axis=1)))}", f"values must be {words} {bound:g}"
                )
    return array


def invalid(error: ValidationError, name: str = "") -> RequestError:
    """The fault that says what a model found, field by field."""
    details = [
        {
            "field": ".".join(str(part) for part in (*([name] if name else []), *fault["loc"])) or "body",
            "message": fault["msg"],
        }
        for fault in error.errors(include_url=False, include_context=False, include_input=False)[:MAX_DETAILS]
    ]
    more = f" (and {error.error_count() - len(details)} more)" if error.error_count() > len(details) else ""
    message = f"{details[0]['field']}: {details[0]['message']}{more}. See /docs for an example."
    return RequestError(422, "invalid_request", message, details)
