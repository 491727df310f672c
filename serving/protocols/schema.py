"""What a request may hold, made from a bundle's manifest: field names, types, ranges and an example.

Every protocol ends in the same checks: rows of plain values are checked by one strict type, tensors by `_checked`. An
image is a list of its values, or a PNG or JPEG file in base64.
Missing is null, NaN, a field left out, or an empty string. A date is a text such as 2026-01-31. A category is its
label as text, and may also come as the boolean or number that the label is in the data (see `category_text`).
"""

from __future__ import annotations

import re
from array import array
from base64 import b64decode
from functools import partial
from typing import Annotated, Any, Literal, NotRequired

import numpy as np
import orjson
from pydantic import AfterValidator, BeforeValidator, ConfigDict, FailFast, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError, from_json
from typing_extensions import TypedDict

from portfolio.bundle.bundle import to_array
from portfolio.bundle.manifest import MAX_TEXT_LENGTH, InputField, Manifest
from portfolio.bundle.unseen import Unseen
from portfolio.core.dates import FORM, days_of
from portfolio.core.labels import category_text, declared
from portfolio.core.types import Array
from serving.errors import RequestError, field_error, validation_error
from serving.protocols import size
from serving.protocols.pictures import MAX_PIXELS, picture_values

# Picture files in one request, which share what one alone may have in pixels.
MAX_FILES = 64
PNG_START, JPEG_START = b"iVBOR", b"/9j/"  # in base64
# What may stand in a body around its rows: values and keys.
SPARE = 10_000
# Up to so many, a parser that does nothing else is done in a few milliseconds, whatever a body holds.
QUICK_BYTES = 128 * 1024
IN_ROWS = re.compile(r"^\w+\.\d+\.")
FLOAT32_MAX = float(np.finfo(np.float32).max)
FORM_OF_A_DATE = f"must be {FORM}"
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Row = dict[str, Any]
Inputs = dict[str, Array]


class RequestSchema:
    """The requests that one bundle takes."""

    def __init__(self, manifest: Manifest, max_rows: int) -> None:
        self.fields = manifest.inputs
        self.max_rows = max_rows
        self._manifest = manifest
        self._images = [field for field in self.fields if field.kind == "image"]
        # Of a body that holds as many rows as it may: brackets and commas beside the values, and room for the rest.
        self.max_values = max_rows * (2 + sum(field.width + 2 for field in self.fields)) + SPARE
        self.max_keys = max_rows * len(self.fields) + SPARE
        self.unseen = Unseen(manifest)
        self.example: Row = {field.name: field.example for field in self.fields}
        row = _typed("Instance", {field.name: _annotation(field) for field in self.fields})
        # Of what is wrong in a list, the first is enough: an error for each would take longer than all the rest.
        rows = Annotated[list[row], Field(min_length=1, max_length=max_rows), FailFast()]  # type: ignore[valid-type]
        request = _typed("PredictRequest", {"instances": rows})
        request.__pydantic_config__ = ConfigDict(**STRICT, json_schema_extra={"example": {"instances": [self.example]}})
        self._rows: TypeAdapter[list[Row]] = TypeAdapter(rows)
        self._request: TypeAdapter[dict[str, list[Row]]] = TypeAdapter(request)

    def json_schema(self) -> dict[str, Any]:
        """The schema of `/predict`'s body, with its definitions under `$defs`."""
        return self._request.json_schema(ref_template="#/components/schemas/{model}")

    def read(self, body: bytes) -> tuple[Inputs, int]:
        """The tensors of a JSON body `{"instances": [{field: value, ...}, ...]}`, and its number of rows.

        Raises RequestError naming the fields that are wrong.
        """
        if size.SMALL_BYTES < len(body) <= QUICK_BYTES and (images := self._many_images(body)) is not None:
            return {self.fields[0].name: images}, len(images)
        checked = size.checked(body, self.max_values, self.max_keys)
        try:
            return self._arrays(self._request.validate_json(checked)["instances"])
        except ValidationError as error:
            if not _is_of_text(error):
                raise validation_error(error) from error
        # Only now, since it takes longer to make Python's objects of all the values first.
        content = from_json(checked)
        try:
            return self._arrays(
                self._request.validate_python(
                    {**content, "instances": self._with_values(content["instances"], "instances")}
                )["instances"]
            )
        except ValidationError as error:
            raise validation_error(error) from error

    def from_rows(self, rows: object, name: str) -> tuple[Inputs, int]:
        """The tensors of rows that have been parsed already; `name` is what errors call them."""
        try:
            return self._arrays(self._rows.validate_python(self._with_values(rows, name)))
        except ValidationError as error:
            raise validation_error(error, name) from error

    def field_at(self, where: str) -> str:
        """Which field an error is about, that names it as `instances.0.NAME` or `NAME.0`; "" if it is none of these."""
        inside = IN_ROWS.sub("", where)
        names = [field.name for field in self.fields]
        return max((name for name in names if f"{inside}.".startswith(f"{name}.")), key=len, default="")

    def may_have_files(self, body: bytes) -> bool:
        """Whether there may be a picture file in it, which takes time to decode: PNG and JPEG begin in one way."""
        if not self._images:
            return False
        # A single letter is found to be missing in a twentieth of the time that several take.
        return b"\\" in body or (b"/" in body and JPEG_START in body) or (b"V" in body and PNG_START in body)

    def _with_values(self, rows: object, name: str) -> object:
        """The rows with each picture file in them as its values. What else is wrong with them is found afterwards."""
        if not self._images or not isinstance(rows, list):
            return rows
        names = [field.name for field in self._images]
        given = [row for row in rows if isinstance(row, dict) and any(isinstance(row.get(name), str) for name in names)]
        if not given:
            return rows
        share = _share(len(given) * len(names))
        places = {id(row) for row in given}
        return [
            {**row, **self._values(row, share, f"{name}.{number}")} if id(row) in places else row
            for number, row in enumerate(rows)
        ]

    def _values(self, row: Row, max_pixels: int, where: str) -> Row:
        files = {field.name: (field, row.get(field.name)) for field in self._images}
        return {
            name: _picture(self._manifest, field, file, max_pixels, f"{where}.{name}")[0].tolist()
            for name, (field, file) in files.items()
            if isinstance(file, str)
        }

    def from_tensors(self, tensors: dict[str, Array], rows: int) -> tuple[Inputs, int]:
        """The same for tensors of any shape that starts with the number of rows."""
        if not 1 <= rows <= self.max_rows:
            raise field_error("inputs", f"must have 1 to {self.max_rows:,} rows, not {rows:,}")
        known = {field.name for field in self.fields}
        for name in tensors.keys() - known:
            raise field_error(name, f"no such input; the inputs are: {', '.join(sorted(known))}")
        for field in self._images:
            files = tensors.get(field.name)
            if files is not None and files.dtype == object and files.size == rows:
                share = _share(rows * len(self._images))
                found = [_picture(self._manifest, field, file, share, field.name) for file in files.ravel().tolist()]
                tensors = {**tensors, field.name: np.concatenate(found)}
        inputs = {field.name: _checked(field, tensors.get(field.name), rows) for field in self.fields}
        for name, seen in self.unseen.categories.items():
            for row, label in enumerate(inputs[name][:, 0].tolist()):
                if label and label not in seen:
                    inputs[name][row, 0] = declared(label, seen)
        return inputs, rows

    def _many_images(self, body: bytes) -> Array | None:
        """The images [rows, width] of a body that has them alone, in half of the time that Pydantic takes.

        None if there is another field, or anything is wrong: Pydantic then says what.
        """
        field = self.fields[0]
        # To an array of numbers, true is one.
        has_booleans = (b"u" in body and b"true" in body) or (b"f" in body and b"false" in body)
        if len(self.fields) > 1 or field.kind != "image" or has_booleans:
            return None
        values = array("d")
        try:
            ((name, rows),) = orjson.loads(body).items()
            if name != "instances" or not 1 <= len(rows) <= self.max_rows:
                return None
            for row in rows:
                ((name, pixels),) = row.items()
                if name != field.name or len(pixels) != field.width:
                    return None
                values.fromlist(pixels)
        except (AttributeError, OverflowError, TypeError, ValueError):
            return None
        images = np.frombuffer(values).reshape(-1, field.width)
        low, high = _bounds(field)
        return images.astype(np.float32) if low <= images.min() and images.max() <= high else None

    def _arrays(self, rows: list[Row]) -> tuple[Inputs, int]:
        columns = {field.name: [row.get(field.name) for row in rows] for field in self.fields}
        for name, seen in self.unseen.categories.items():
            # Also as other programs write them: a spreadsheet's TRUE is true.
            columns[name] = [declared(label, seen) if label and label not in seen else label for label in columns[name]]
        return {field.name: to_array(field, columns[field.name]) for field in self.fields}, len(rows)


def _is_of_text(error: ValidationError) -> bool:
    """Whether there is text where a list of values should be."""
    return any(found["type"] == "list_type" and isinstance(found["input"], str) for found in error.errors())


def _share(files: int) -> int:
    """How many pixels each of so many files may have. Raises RequestError if there are too many files."""
    if files > MAX_FILES:
        raise field_error("picture", f"at most {MAX_FILES} files in a request, not {files:,}")
    return MAX_PIXELS // files


def _picture(manifest: Manifest, field: InputField, file: str, max_pixels: int, where: str) -> Array:
    """The values [1, width] of a file in base64, which may come as a data URL; `where` is what errors call it."""
    try:
        content = b64decode(file.rpartition(",")[2], validate=True)
    except ValueError as error:
        raise field_error(where, "must be a list of numbers, or a PNG or JPEG file in base64") from error
    try:
        return picture_values(manifest, field, content, max_pixels)
    except RequestError as error:
        if not error.details:
            raise
        raise field_error(where, error.details[0]["message"]) from error


def _typed(name: str, fields: dict[str, Any]) -> Any:
    """A strict dictionary type. Unlike a model's, its keys may be any strings, as the headers of data are."""
    make: Any = TypedDict  # type checkers take it for a statement
    typed = make(name, fields)
    typed.__pydantic_config__ = STRICT
    return typed


def _annotation(field: InputField) -> Any:
    """The type of one field. A field that may be missing may also be left out."""
    about: dict[str, Any] = {"description": field.description, "examples": [field.example]}
    low, high = _bounds(field)
    if field.kind == "image":
        pixel: Any = Annotated[float, Field(ge=low, le=high)]
        return Annotated[list[pixel], Field(min_length=field.width, max_length=field.width, **about), FailFast()]
    if field.kind == "category":
        # An empty label is a missing one.
        label: Any = Annotated[str, Field(min_length=0 if field.nullable else 1, max_length=MAX_TEXT_LENGTH)]
        as_text = BeforeValidator(_label_text, json_schema_input_type=label | bool | float)
        value: Any = Annotated[label, as_text, Field(**about)]
    elif field.kind == "text":
        value = Annotated[str, Field(max_length=field.max_length or MAX_TEXT_LENGTH, **about)]
        if field.normalization and not field.nullable:
            value = Annotated[value, AfterValidator(_not_blank)]
    elif field.kind == "date":
        form = Field(json_schema_extra={"format": "date"}, **about)
        value = Annotated[str, BeforeValidator(partial(_date, field), json_schema_input_type=str), form]
    else:
        value = Annotated[float, Field(ge=low, le=high, **about)]
    if not field.nullable:
        return value
    if field.kind == "date":
        return NotRequired[Annotated[value | None, _NO_DATE_IS_MISSING]]
    return NotRequired[Annotated[value | None, _NAN_IS_MISSING if field.is_string else _EMPTY_IS_MISSING]]


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "must not be blank")
    return text


def _date(field: InputField, text: object) -> object:
    try:
        days = days_of(text if isinstance(text, str) else "")
    except ValueError:
        raise PydanticCustomError("date", FORM_OF_A_DATE) from None
    if words := _out_of_range(field, days):
        raise PydanticCustomError("date", words)
    return text


def _out_of_range(field: InputField, value: float) -> str:
    """What is asked of a number or a date, if the value is beyond the bounds."""
    if field.minimum is not None and value < field.minimum:
        return f"must be at least {field.shown(field.minimum)}"
    if field.maximum is not None and value > field.maximum:
        return f"must be at most {field.shown(field.maximum)}"
    return ""


def _bounds(field: InputField) -> tuple[float, float]:
    """Beyond float32's own bounds a number would become infinite."""
    return (
        -FLOAT32_MAX if field.minimum is None else field.minimum,
        FLOAT32_MAX if field.maximum is None else field.maximum,
    )


def _label_text(value: object) -> object:
    if value is None or isinstance(value, str):
        return value
    try:
        return category_text(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise PydanticCustomError("label", "must be a label: a string, a boolean or a number") from None


# In tables a missing value is NaN, whatever the column.
_NAN_IS_MISSING = BeforeValidator(lambda value: None if value != value else value)


def _not_empty(value: object) -> object:
    return None if value == "" or value != value else value


_EMPTY_IS_MISSING = BeforeValidator(_not_empty, json_schema_input_type=float | None | Literal[""])
_NO_DATE_IS_MISSING = BeforeValidator(_not_empty)


def _checked(field: InputField, tensor: Array | None, rows: int) -> Array:
    """One field's tensor [rows, width] as the bundle takes it. Raises RequestError if it is not right."""
    if tensor is None:
        if not field.nullable:
            raise field_error(field.name, "this input is missing")
        return to_array(field, [None] * rows)
    if tensor.size != rows * field.width:
        raise field_error(field.name, f"shape {list(tensor.shape)} is not {rows} rows of {field.width} values")
    array = tensor.reshape(rows, field.width)
    if field.kind == "date" and array.dtype == object:
        array = _days(field, array[:, 0].tolist())
    array = _checked_strings(field, array) if field.is_string else _checked_numbers(field, array)
    if field.kind == "date" and (array % 1 > 0).any():
        raise field_error(field.name, "days since 1970-01-01 must be whole numbers")
    return array


def _checked_strings(field: InputField, array: Array) -> Array:
    if array.dtype != object:
        if field.kind == "text":
            raise field_error(field.name, "values must be strings")
        array = _labels(field, array)
    lengths = list(map(len, array[:, 0]))
    longest = field.max_length or MAX_TEXT_LENGTH
    if max(lengths) > longest:
        raise field_error(field.name, f"a string is longer than {longest:,} characters")
    if field.normalization:
        array = to_array(field, array[:, 0].tolist())
        lengths = list(map(len, array[:, 0]))
    if (field.kind == "category" or field.normalization) and not field.nullable and min(lengths) == 0:
        raise field_error(f"{field.name}.{lengths.index(0)}", "a value is missing")
    return array


def _days(field: InputField, texts: list[str]) -> Array:
    """Dates as days; an empty text is a missing one."""
    days: list[float] = []
    for row, text in enumerate(texts):
        try:
            days.append(days_of(text) if text or not field.nullable else np.nan)
        except ValueError:
            raise field_error(f"{field.name}.{row}", FORM_OF_A_DATE) from None
    return np.array(days).reshape(-1, 1)


def _labels(field: InputField, numbers: Array) -> Array:
    """Numbers as labels; NaN is a missing one."""
    try:
        texts = ["" if value != value else category_text(value) for value in numbers[:, 0].tolist()]
    except ValueError as error:
        raise field_error(field.name, str(error)) from error
    return np.array(texts, dtype=object).reshape(-1, 1)


def _checked_numbers(field: InputField, array: Array) -> Array:
    if array.dtype.kind not in "biuf":
        form = f"values must be {FORM}, as strings" if field.kind == "date" else "values must be numbers"
        raise field_error(field.name, form)
    with np.errstate(over="ignore"):
        # What is too large for float32 becomes infinite, and is refused below.
        array = array.astype(np.float32)
    finite = np.isfinite(array)
    allowed = finite | np.isnan(array) if field.nullable else finite
    if not allowed.all():
        raise field_error(f"{field.name}.{int(np.argmin(allowed.all(axis=1)))}", "a value is not a finite number")
    for low, bound, words in ((True, field.minimum, "at least"), (False, field.maximum, "at most")):
        if bound is not None:
            shown = field.shown(bound) if field.kind == "date" else f"{bound:g}"
            outside = finite & ((array < bound) if low else (array > bound))
            if outside.any():
                raise field_error(
                    f"{field.name}.{int(np.argmax(outside.any(axis=1)))}", f"values must be {words} {shown}"
                )
    return array
