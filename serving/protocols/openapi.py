"""The OpenAPI document: FastAPI's own, completed by the paths that bypass it, for the model that is served now."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from portfolio.bundle.manifest import Output
from serving.front.exchange import CALLERS_ID
from serving.protocols.invocations import CSV
from serving.protocols.open_inference import BINARY, InferRequest, metadata, outputs_of
from serving.protocols.pictures import MEDIA_TYPES
from serving.record.feedback import MAX_LABELS
from serving.runtime.served import ServedModel

ERROR = {
    "type": "object",
    "required": ["error", "request_id"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "details": {"type": "array", "items": {"type": "object"}},
            },
        },
        "request_id": {"type": "string"},
    },
}
OPEN_ERROR = {
    "type": "object",
    "required": ["error", "code", "details", "request_id"],
    "properties": {
        "error": {"type": "string"},
        "code": {"type": "string"},
        "details": {"type": "array", "items": {"type": "object"}},
        "request_id": {"type": "string"},
    },
}
ERRORS = {
    "401": "an API key is required",
    "408": "the body arrived too slowly",
    "413": "the body is too large",
    "415": "a content type or encoding that is not supported",
    "422": "the request is invalid; `details` names the fields",
    "503": "no model yet, or too many requests; try again after Retry-After",
}
FEEDBACK_ERRORS = {
    "401": ERRORS["401"],
    "404": "no such answer, or it has no such row",
    "408": ERRORS["408"],
    "409": "the row has another label, and this one is not a correction; or several answers have this callers_id",
    "413": ERRORS["413"],
    "415": ERRORS["415"],
    "422": "the request is invalid, or there is no such class; `details` names the fields",
    "503": "the label could not be stored; try again after Retry-After",
}
OF_VERSION = "/v2/models/{name}/versions/{version}/infer"
Schema = dict[str, Any]
"""Part of an OpenAPI document."""
FILE: Schema = {"schema": {"type": "string", "format": "binary"}}
FILES = " The body may also be a PNG or JPEG file. In JSON, an image may be such a file in base64, not its values."
LENGTH: Schema = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "description": "with application/octet-stream: how many bytes of the body are JSON; the tensors follow",
    "schema": {"type": "integer", "minimum": 0},
}


def document(app: FastAPI, model: ServedModel | None, use_case: str) -> Schema:
    """The whole document. Built each time it is asked for, because the model may have changed."""
    app.openapi_schema = None
    found = FastAPI.openapi(app)
    app.openapi_schema = None
    schemas: Schema = found.setdefault("components", {}).setdefault("schemas", {})
    schemas |= {"Error": ERROR, "OpenError": OPEN_ERROR}
    _add_security(found)
    for path, operations in found["paths"].items():
        for operation in operations.values():
            # FastAPI's own form of a 422 is not ours.
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = _answer("an error; `error` says which", _error_schema(path))
    if model is None:
        return found
    request = model.schema.json_schema()
    infer = InferRequest.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= {**request.pop("$defs", {}), **infer.pop("$defs", {}), "PredictRequest": request, "InferRequest": infer}
    infer_post = _infer(model)
    posts = {
        "/predict": _predict(model),
        "/invocations": _invocations(model),
        f"/v2/models/{use_case}/infer": infer_post,
    }
    for path, post in posts.items():
        post["responses"] |= _errors(ERRORS, path)
        found["paths"][path] = {"post": {"tags": ["predictions"], **post}}
    # These read the body themselves, so FastAPI does not know what is in it.
    versioned = found["paths"][OF_VERSION]["post"]
    versioned["requestBody"] = infer_post["requestBody"]
    versioned["parameters"] = [*versioned.get("parameters", []), LENGTH]
    versioned["responses"] |= {**infer_post["responses"], **_errors({"404": "this version is not served"}, OF_VERSION)}
    for path in ("/feedback", "/monitor/feedback"):
        feedback = found["paths"][path]["post"]
        feedback["requestBody"] = _feedback(model)
        feedback["responses"] |= {
            "200": _answer("the label was there already, or corrects another; or all of several labels are stored", {}),
            "201": _answer("the label is stored", {"type": "object", "required": ["stored"]}),
            "207": _answer("some of several labels are refused", {"type": "object", "required": ["labels", "refused"]}),
            **_errors(FEEDBACK_ERRORS, path),
        }
    return found


def _predict(model: ServedModel) -> Schema:
    picture = len(model.schema.fields) == 1 and model.schema.fields[0].kind == "image"
    bodies: Schema = {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/PredictRequest"},
            "example": {"instances": [model.schema.example]},
        }
    }
    if picture:
        bodies |= {media.decode(): FILE for media in MEDIA_TYPES}
    return {
        "summary": "Predict",
        "description": "One prediction for each instance. The answer names the version that made it."
        + (FILES if picture else ""),
        "operationId": "predict",
        "parameters": [
            _flag("explain", "also say which parts of each instance mattered"),
            _flag(
                "draft",
                "the input is still being made: the answer is neither logged nor counted, and takes no feedback",
            ),
        ],
        "requestBody": _body(bodies),
        "responses": {"200": _answer("the predictions, in the order of the instances", _predictions(model))},
    }


def _flag(name: str, description: str) -> Schema:
    schema = {"type": "boolean", "default": False}
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _invocations(model: ServedModel) -> Schema:
    example = model.schema.example
    table = {"columns": list(example), "data": [list(example.values())]}
    forms: dict[str, Any] = {
        "instances": [example],
        "inputs": {name: [value] for name, value in example.items()},
        "dataframe_split": table,
        "dataframe_records": [example],
    }
    row = {"$ref": "#/components/schemas/Instance"}
    shapes: dict[str, Schema] = {
        "instances": {"type": "array", "items": row, "minItems": 1},
        "inputs": {"type": "object", "additionalProperties": {"type": "array", "minItems": 1}},
        "dataframe_split": {
            "type": "object",
            "required": ["columns", "data"],
            "properties": {
                "columns": {"type": "array", "items": {"type": "string"}},
                "data": {"type": "array", "items": {"type": "array"}},
                "index": {"type": "array"},
            },
        },
        "dataframe_records": {"type": "array", "items": row, "minItems": 1},
    }
    schema = {"oneOf": [{"type": "object", "required": [form], "properties": {form: shapes[form]}} for form in forms]}
    examples = {form: {"value": {form: value}} for form, value in forms.items()}
    predictions = {"type": "object", "required": ["predictions"], "properties": {"predictions": {"type": "array"}}}
    return {
        "summary": "Predict, by MLflow's scoring protocol",
        "operationId": "invocations",
        "requestBody": _body(
            {
                "application/json": {"schema": schema, "examples": examples},
                CSV.decode(): {"schema": {"type": "string", "description": "a header, and a line for each row"}},
            }
        ),
        "responses": {"200": _answer("the predictions, in the order of the rows", predictions)},
    }


def _infer(model: ServedModel) -> Schema:
    described = metadata(model)
    inputs = [
        {**tensor, "shape": [1, *tensor["shape"][1:]], "data": _flat(model.schema.example[tensor["name"]])}
        for tensor in described["inputs"]
    ]
    outputs = ", ".join(outputs_of(model.bundle.manifest))
    return {
        "summary": "Predict, by the Open Inference Protocol, version 2",
        "description": f"Outputs: {outputs}; all of them, unless some are requested. Tensors may also be sent and "
        "returned as bytes after the JSON; Inference-Header-Content-Length then gives the length of the JSON. "
        "The answer's parameter audit lists, as JSON, the rows that are audited: the machine decides, and a person is "
        "asked too.",
        "operationId": "infer",
        "parameters": [LENGTH],
        "requestBody": _body(
            {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/InferRequest"},
                    "example": {"inputs": inputs, "outputs": [{"name": model.bundle.manifest.output.tensor}]},
                },
                BINARY.decode(): FILE,
            }
        ),
        "responses": {
            "200": _answer("the output tensors", {"type": "object", "required": ["model_name", "outputs"]}, BINARY)
        },
    }


def _feedback(model: ServedModel) -> Schema:
    output = model.bundle.manifest.output
    properties: Schema = {
        "request_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "callers_id": {"type": "string", "pattern": f"^{CALLERS_ID}$", "description": "the request's X-Request-ID"},
        "label": {"type": ["string", "boolean", "number"]} if output.classes else _number(output),
        "row": {"type": "integer", "minimum": 0, "default": 0},
        "correction": {"type": "boolean", "default": False, "description": "replace another label of this row"},
    }
    one: Schema = {
        "type": "object",
        "required": ["label"],
        "oneOf": [{"required": ["request_id"]}, {"required": ["callers_id"]}],
        "properties": properties,
        "additionalProperties": False,
    }
    several: Schema = {
        "type": "object",
        "required": ["labels"],
        "properties": {"labels": {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_LABELS}},
        "additionalProperties": False,
    }
    schema = {"oneOf": [one, several]}
    # The id is that of an answer.
    example = {"request_id": "0" * 32, "label": output.classes[0] if output.classes else 1.0, "row": 0}
    return _body({"application/json": {"schema": schema, "example": example}})


def _number(output: Output) -> Schema:
    bounds = {"minimum": output.minimum, "maximum": output.maximum}
    return {"type": "number", **{name: bound for name, bound in bounds.items() if bound is not None}}


def _errors(about: dict[str, str], path: str) -> Schema:
    return {status: _answer(text, _error_schema(path)) for status, text in about.items()}


def _error_schema(path: str) -> str:
    return "OpenError" if path.startswith("/v2") else "Error"


def _predictions(model: ServedModel) -> Schema:
    output = model.bundle.manifest.output
    answer: Schema
    if output.task == "regression":
        bounds = {name: {"type": "number"} for name in ("low", "high", "level")}
        interval = {"type": "object", "properties": bounds, "description": "covers `level` of the true values"}
        answer = {"value": {"type": "number"}, "unit": {"type": "string"}, "interval": interval}
    else:
        answer = {
            "class": {"type": "string", "enum": list(output.classes)},
            "probabilities": {"type": "object", "additionalProperties": {"type": "number"}},
        }
    unseen = {"type": "object", "description": "categories that training never saw, by field"}
    answer |= {
        "unseen": unseen,
        "decision": {"type": "string", "enum": ["machine", "person"]},
        "audit": {"type": "boolean", "description": "true: the machine decided, and the true label is asked for too"},
        "expected_yen": {"type": "number"},
    }
    name = {"use_case": {"type": "string"}, "version": {"type": "integer"}, "digest": {"type": "string"}}
    return {
        "type": "object",
        "required": ["predictions", "model", "request_id"],
        "properties": {
            "predictions": {"type": "array", "items": {"type": "object", "properties": answer}},
            "model": {"type": "object", "properties": name},
            "request_id": {"type": "string"},
        },
    }


def _body(content: Schema) -> Schema:
    return {"required": True, "content": content}


def _answer(about: str, schema: Schema | str, *files: bytes) -> Schema:
    """JSON, or one of the media types in `files`."""
    shown = {"$ref": f"#/components/schemas/{schema}"} if isinstance(schema, str) else schema
    content = {media.decode(): FILE for media in files}
    return {"description": about, "content": {"application/json": {"schema": shown}, **content}}


def _flat(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _add_security(found: Schema) -> None:
    """Keys are optional: a server without any answers every request."""
    found["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    found["security"] = [{}, {"key": []}]
