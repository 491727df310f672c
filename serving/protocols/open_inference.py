"""The Open Inference Protocol, version 2, over HTTP: named tensors, as JSON or as bytes after the JSON.

https://github.com/kserve/open-inference-protocol, with the extension for binary tensors.
"""

from __future__ import annotations

import struct
from typing import Annotated, Any, Literal

import numpy as np
import orjson
from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError

from portfolio.bundle.manifest import Manifest
from portfolio.core.types import Array
from serving.errors import RequestError, field_error, validation_error
from serving.front.exchange import JSON, Exchange, Headers
from serving.protocols import size
from serving.protocols.answers import Decisions
from serving.protocols.query import Query, Reply, Result
from serving.runtime.served import ServedModel

BINARY = b"application/octet-stream"
JSON_LENGTH = b"inference-header-content-length"
TEXT = "BYTES"
DTYPES: dict[str, str] = {
    "BOOL": "?",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
}
MAX_SIZE = 2**63 - 1
MAX_LENGTH_DIGITS = 20
MAX_DIMENSIONS = 8
DECISION, EXPECTED_YEN, INTERVAL = "decision", "expected_yen", "interval"
Datatype = Literal[
    "BOOL", "FP16", "FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "BYTES"
]

Dimension = Annotated[int, Field(ge=0, le=MAX_SIZE)]


class Open(BaseModel):
    # The protocol allows clients to send parameters that a server does not know.
    model_config = ConfigDict(extra="ignore", strict=True)


class InputParameters(Open):
    binary_data_size: int | None = Field(default=None, ge=0, le=MAX_SIZE)


class InputTensor(Open):
    name: str
    shape: Annotated[
        list[Annotated[int, Field(ge=0, le=MAX_SIZE)]], Field(min_length=1, max_length=MAX_DIMENSIONS), FailFast()
    ]
    datatype: Datatype
    data: list[Any] | None = None
    parameters: InputParameters = InputParameters()


class OutputParameters(Open):
    binary_data: bool | None = None


class OutputRequest(Open):
    name: str
    parameters: OutputParameters = OutputParameters()


class RequestParameters(Open):
    binary_data_output: bool = False


class InferRequest(Open):
    id: str | None = Field(default=None, max_length=200)
    inputs: Annotated[list[InputTensor], Field(min_length=1, max_length=1000), FailFast()]
    outputs: Annotated[list[OutputRequest], Field(max_length=100), FailFast()] = []
    parameters: RequestParameters = RequestParameters()


class OpenInference:
    name = "open_inference"

    def read(self, model: ServedModel, exchange: Exchange, body: bytes) -> Query:
        schema = model.schema
        head, tail = _split(exchange, body)
        try:
            request = InferRequest.model_validate_json(size.checked(head, schema.max_values, schema.max_keys))
        except ValidationError as error:
            raise validation_error(error) from error
        known = outputs_of(model.bundle.manifest)
        for output in request.outputs:
            if output.name not in known:
                raise field_error("outputs", f"no output '{output.name[:80]}'; the outputs are: {', '.join(known)}")
        tensors: dict[str, Array] = {}
        for tensor in request.inputs:
            if tensor.name in tensors:
                raise field_error(tensor.name, "this input appears twice")
            tensors[tensor.name], tail = _tensor(tensor, tail, schema.max_values)
        if tail:
            raise field_error("body", f"{len(tail):,} bytes are left after the last tensor")
        rows = {tensor.name: tensor.shape[0] for tensor in request.inputs}
        if len(set(rows.values())) != 1:
            raise field_error("inputs", f"the shapes have different numbers of rows: {rows}")
        query = Query(*schema.from_tensors(tensors, request.inputs[0].shape[0]))
        query.extra = {"request": request}
        return query

    def write(self, model: ServedModel, query: Query, result: Result) -> Reply:
        request: InferRequest = query.extra["request"]
        manifest = model.bundle.manifest
        asked = {output.name: output.parameters.binary_data for output in request.outputs}
        outputs: list[dict[str, Any]] = []
        tail = b""
        # A request that names no outputs gets all of them, as the protocol says.
        for name in asked or outputs_of(manifest):
            datatype, array = _output(name, result.outputs, result.decisions)
            stated = asked.get(name)
            described: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": datatype}
            if request.parameters.binary_data_output if stated is None else stated:
                raw = to_bytes(array)
                described["parameters"] = {"binary_data_size": len(raw)}
                tail += raw
            else:
                # Flat, as the reference server answers.
                described["data"] = np.ascontiguousarray(array.ravel()) if datatype != TEXT else array.ravel().tolist()
            outputs.append(described)
        parameters = {"digest": model.bundle.digest, "request_id": result.request_id}
        if result.decisions.unseen:
            # Parameters are plain values, so the fields of each row are JSON in one.
            parameters["unseen"] = orjson.dumps(result.decisions.unseen, option=orjson.OPT_NON_STR_KEYS).decode()
        if result.decisions.audited:
            parameters["audit"] = orjson.dumps(result.decisions.audited).decode()
        answer = {
            "model_name": manifest.use_case,
            "model_version": str(model.version),
            "id": request.id or result.request_id,
            "parameters": parameters,
            "outputs": outputs,
        }
        head = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
        if not tail:
            return head, JSON, []
        headers: Headers = [(JSON_LENGTH, str(len(head)).encode())]
        return head + tail, BINARY, headers


def outputs_of(manifest: Manifest) -> dict[str, tuple[str, list[int]]]:
    """Datatype and shape of each output that can be requested; -1 stands for the number of rows."""
    outputs = {manifest.output.tensor: ("FP32", [-1, max(1, len(manifest.output.classes))]), DECISION: (TEXT, [-1])}
    if manifest.error_ratios:
        outputs[INTERVAL] = ("FP64", [-1, 2])
    return outputs if manifest.policy is None else {**outputs, EXPECTED_YEN: ("FP64", [-1])}


def metadata(model: ServedModel) -> dict[str, Any]:
    """The answer to GET /v2/models/NAME."""
    manifest = model.bundle.manifest
    return {
        "name": manifest.use_case,
        "versions": [str(model.version)],
        "platform": "onnxruntime_onnx",
        "inputs": [
            # A date is a string here; its days since 1970-01-01 are taken too.
            {
                "name": field.name,
                "datatype": TEXT if field.is_string or field.kind == "date" else "FP32",
                "shape": [-1, field.width],
            }
            for field in manifest.inputs
        ],
        "outputs": [
            {"name": name, "datatype": datatype, "shape": shape}
            for name, (datatype, shape) in outputs_of(manifest).items()
        ],
    }


def to_bytes(array: Array) -> bytes:
    """A tensor's bytes, little-endian, row by row; each string after its length."""
    if array.dtype != object:
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    texts = [text.encode() for text in array.ravel().tolist()]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def _split(exchange: Exchange, body: bytes) -> tuple[bytes, bytes]:
    """The JSON, and the bytes after it."""
    stated = exchange.headers.get(JSON_LENGTH, b"")
    if not stated:
        if exchange.content_type not in (JSON, b""):
            raise RequestError(415, "unknown_type", "Send JSON, with Content-Type: application/json.")
        return body, b""
    # Python refuses to read a number of thousands of digits.
    length = int(stated) if stated.isdigit() and len(stated) <= MAX_LENGTH_DIGITS else -1
    if not 0 <= length <= len(body):
        raise field_error("Inference-Header-Content-Length", f"must be a number of bytes up to {len(body):,}")
    return body[:length], body[length:]


def _tensor(tensor: InputTensor, tail: bytes, max_values: int) -> tuple[Array, bytes]:
    """The values of one tensor in its shape, and the bytes that are left."""
    count = int(np.prod(tensor.shape, dtype=object))
    if count > max_values:
        raise field_error(tensor.name, f"shape {tensor.shape} has more than {max_values:,} values; send fewer rows")
    size = tensor.parameters.binary_data_size
    if (size is None) == (tensor.data is None):
        raise field_error(tensor.name, "needs either data, or binary_data_size and the bytes after the JSON")
    if size is not None:
        if size > len(tail):
            raise field_error(tensor.name, f"binary_data_size is {size:,}, but {len(tail):,} bytes are left")
        return _shaped(tensor, _from_bytes(tensor, tail[:size], count), count), tail[size:]
    return _shaped(tensor, _from_json(tensor), count), tail


def _from_json(tensor: InputTensor) -> Array:
    flat = _flattened(tensor)
    if tensor.datatype == TEXT:
        if not all(value is None or isinstance(value, str) for value in flat):
            raise field_error(tensor.name, "values must be strings")
        return np.array(["" if value is None else value for value in flat], dtype=object)
    # null is a missing value, as in the other protocols.
    kinds = set(map(type, flat))
    if tensor.datatype == "BOOL":
        if kinds != {bool}:
            raise field_error(tensor.name, "values must be true or false")
        return np.array(flat, dtype=np.bool_)
    if not kinds <= ({float, int, type(None)} if tensor.datatype.startswith("FP") else {int}):
        raise field_error(tensor.name, f"values must be numbers of datatype {tensor.datatype}")
    dtype = np.dtype(DTYPES[tensor.datatype])
    if dtype.kind in "iu" and flat and not np.iinfo(dtype).min <= min(flat) <= max(flat) <= np.iinfo(dtype).max:
        raise field_error(tensor.name, f"a value is out of range for {tensor.datatype}")
    try:
        return np.array([np.nan if value is None else value for value in flat], dtype=np.float64)
    except OverflowError as error:
        raise field_error(tensor.name, f"a value is too large for {tensor.datatype}") from error


def _flattened(tensor: InputTensor) -> list[Any]:
    """The values of nested lists, row by row. Raises RequestError if they nest deeper than a shape can say."""
    values: list[Any] = tensor.data or []
    for _ in range(MAX_DIMENSIONS):
        if not any(isinstance(value, list) for value in values):
            return values
        values = [entry for value in values for entry in (value if isinstance(value, list) else [value])]
    raise field_error(tensor.name, f"data must nest at most {MAX_DIMENSIONS} levels deep")


def _from_bytes(tensor: InputTensor, raw: bytes, count: int) -> Array:
    if tensor.datatype != TEXT:
        dtype = np.dtype(DTYPES[tensor.datatype])
        if len(raw) % dtype.itemsize:
            raise field_error(tensor.name, f"{len(raw):,} bytes are not a whole number of {tensor.datatype} values")
        return np.frombuffer(raw, dtype)
    texts: list[str] = []
    start = 0
    while start < len(raw):
        length = int.from_bytes(raw[start : start + 4], "little")
        if start + 4 + length > len(raw):
            raise field_error(tensor.name, "a string is longer than the bytes that are left")
        if len(texts) == count:
            raise field_error(tensor.name, f"more than {count:,} strings do not fit shape {tensor.shape}")
        try:
            texts.append(raw[start + 4 : start + 4 + length].decode())
        except UnicodeDecodeError as error:
            raise field_error(tensor.name, "a string is not valid UTF-8") from error
        start += 4 + length
    return np.array(texts, dtype=object)


def _shaped(tensor: InputTensor, values: Array, count: int) -> Array:
    if len(values) != count:
        raise field_error(tensor.name, f"{len(values):,} values do not fill shape {tensor.shape}")
    if not count:
        # The other numbers may be too large for any array.
        raise field_error(tensor.name, f"shape {tensor.shape} has no values")
    return values.reshape(tensor.shape)


def _output(name: str, outputs: Array, decisions: Decisions) -> tuple[str, Array]:
    if name == DECISION:
        return TEXT, np.array(decisions.names(), dtype=object)
    if name == EXPECTED_YEN:
        return "FP64", np.array(decisions.expected_yen, dtype=np.float64)
    if name == INTERVAL:
        return "FP64", np.array(decisions.intervals, dtype=np.float64)
    # Beside a value the graph gives the scale of its error, which the interval says in the value's own unit.
    return "FP32", outputs if decisions.intervals is None else outputs[:, :1]
