"""The application: /predict, /healthz, /readyz, /model and /docs, for the champion of one use case."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from pydantic import ValidationError

from portfolio.bundle import Array, Manifest
from serving.champion import Champion, Serving
from serving.settings import Settings

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Fewer rows than this take less time than handing them to a thread.
INLINE_ROWS = 64
MAX_DETAILS = 10
NO_CHAMPION = "No champion has been published yet. Train and publish one: make run"


class RequestError(Exception):
    """A request that can't be answered: a status, a code, a message and the faults by field."""

    def __init__(self, status: int, code: str, message: str, details: list[dict[str, str]] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details or []


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application for `settings`, or for those of the environment."""
    settings = settings or Settings.from_environment()
    champion = Champion(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        champion.refresh()
        async with anyio.create_task_group() as group:
            group.start_soon(champion.watch)
            yield
            group.cancel_scope.cancel()

    app = FastAPIOffline(redoc_url=None, title=f"portfolio: {settings.use_case}", lifespan=lifespan)
    app.state.champion = champion
    app.add_exception_handler(RequestError, _error_response)

    def serving() -> Serving:
        if champion.current is None:
            raise RequestError(503, "not_ready", champion.refusal or NO_CHAMPION)
        return champion.current

    @app.post("/predict", summary="Predict")
    async def predict(request: Request) -> JSONResponse:
        """One prediction for each instance, from the version named in the answer."""
        now = serving()
        instances = _parse(now, await _body(request, settings.max_body_bytes))
        manifest = now.bundle.manifest
        columns = {field.name: [getattr(one, field.name) for one in instances] for field in manifest.inputs}
        inputs = now.bundle.arrays(columns)
        if len(instances) <= INLINE_ROWS:
            outputs = now.bundle.predict(inputs)
        else:
            outputs = await anyio.to_thread.run_sync(now.bundle.predict, inputs)
        if not np.isfinite(outputs).all():
            raise RequestError(422, "no_finite_answer", "The model gives no finite answer for these inputs.")
        return _answer(request, 200, {"predictions": predictions(manifest, outputs), "model": _model(now)})

    @app.get("/healthz", summary="Is the process alive?")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", summary="Can it answer?")
    async def readyz() -> dict[str, Any]:
        return {"status": "ready", "model": _model(serving())}

    @app.get("/model", summary="What is served")
    async def model() -> dict[str, Any]:
        now = serving()
        manifest = now.bundle.manifest
        return {
            **_model(now),
            "candidate": manifest.candidate,
            "created_at": manifest.created_at,
            "inputs": [field.model_dump() for field in manifest.inputs],
            "output": manifest.output.model_dump(),
            "lineage": manifest.lineage.model_dump(),
            "last_refusal": champion.refusal,
        }

    def openapi() -> dict[str, Any]:
        """The document for the champion that is served now, so that /docs shows its real fields."""
        app.openapi_schema = None
        document = FastAPI.openapi(app)
        app.openapi_schema = None
        if champion.current is not None:
            schema = champion.current.request.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas |= schema.pop("$defs", {}) | {"PredictRequest": schema}
            document["paths"]["/predict"]["post"]["requestBody"] = {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {"$ref": "#/components/schemas/PredictRequest"},
                        "example": schema["example"],
                    }
                },
            }
        return document

    app.openapi = openapi  # type: ignore[method-assign]
    return app


def predictions(manifest: Manifest, values: Array) -> list[dict[str, Any]]:
    """The model's outputs, [rows, classes] or [rows, 1], as JSON values, each with who decides: machine or person."""
    output, policy = manifest.output, manifest.policy
    if output.task == "regression":
        answers: list[dict[str, Any]] = [{"value": value, "unit": output.unit} for value in values[:, 0].tolist()]
    else:
        answers = [
            {"class": output.classes[best], "probabilities": dict(zip(output.classes, row, strict=True))}
            for best, row in zip(values.argmax(axis=1).tolist(), values.tolist(), strict=True)
        ]
    if policy is not None:
        for answer, by_machine in zip(answers, policy.by_machine(values).tolist(), strict=True):
            answer["decision"] = "machine" if by_machine else "person"
    return answers


def _model(now: Serving) -> dict[str, Any]:
    return {"use_case": now.bundle.manifest.use_case, "version": now.version, "digest": now.bundle.digest}


async def _body(request: Request, limit_bytes: int) -> bytes:
    """The body, read no further than the limit, whatever its length header says."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestError(415, "not_json", "Send JSON, with Content-Type: application/json.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit_bytes:
            raise RequestError(413, "too_large", f"The body is over {limit_bytes:,} bytes. Send fewer instances.")
    return bytes(body)


def _parse(now: Serving, body: bytes) -> list[Any]:
    try:
        return list(now.request.model_validate_json(body).instances)  # type: ignore[attr-defined]
    except ValidationError as error:
        details = [
            {"field": ".".join(str(part) for part in fault["loc"]) or "body", "message": fault["msg"]}
            for fault in error.errors(include_url=False, include_context=False, include_input=False)[:MAX_DETAILS]
        ]
        more = f" (and {error.error_count() - len(details)} more)" if error.error_count() > len(details) else ""
        message = f"{details[0]['field']}: {details[0]['message']}{more}. See /docs for an example."
        raise RequestError(422, "invalid_request", message, details) from error


async def _error_response(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestError)
    body = {"error": {"code": error.code, "message": error.message, "details": error.details}}
    return _answer(request, error.status, body)


def _answer(request: Request, status: int, body: dict[str, Any]) -> JSONResponse:
    """JSON with the request's id, the caller's own if it is fit to be one, in the body and in a header."""
    stated = request.headers.get("x-request-id", "")
    request_id = stated if REQUEST_ID.fullmatch(stated) else uuid.uuid4().hex
    return JSONResponse({**body, "request_id": request_id}, status, headers={"X-Request-ID": request_id})
