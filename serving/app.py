"""The application: one front for every request, inference behind it, and FastAPI for all the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import anyio
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from portfolio.monitoring.prediction_log import PredictionLog
from serving import open_inference, openapi
from serving.bodies import Bodies
from serving.champion import Champion
from serving.exchange import Exchange, RequestError
from serving.feedback import judge, read_feedback
from serving.figures import Figures
from serving.front import Front
from serving.inference import Inference
from serving.invocations import Invocations
from serving.logs import LogWriter
from serving.open_inference import OpenInference
from serving.predict import Predict
from serving.query import InferenceProtocol
from serving.recorder import Recorder
from serving.settings import Settings

PAGE = Path(str(files("serving") / "page"))
STOP_SECONDS = 4.0
MAX_FEEDBACK_BYTES = 64 * 1024


class Application(Front):
    """The whole server. `champion` and `recorder` are what tests look at."""

    champion: Champion
    recorder: Recorder


def create_app(settings: Settings | None = None, log: LogWriter | None = None) -> Application:
    """The application for `settings`, or for those of the environment; `log` gets its requests.

    Raises ConfigError if they make no sense.
    """
    settings = settings or Settings.from_environment()
    champion = Champion(settings)
    recorder = Recorder(PredictionLog(settings.log_address), settings.log_queue)
    figures = Figures(champion, recorder)
    bodies = Bodies(settings.timeout_seconds)
    inference = Inference(settings, champion, bodies, recorder, figures)
    open_protocol = OpenInference()
    protocols: dict[str, InferenceProtocol] = {
        "/predict": Predict(),
        "/invocations": Invocations(),
        f"/v2/models/{settings.use_case}/infer": open_protocol,
    }

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        champion.refresh()
        recorder.start()
        async with anyio.create_task_group() as group:
            group.start_soon(champion.watch)
            group.start_soon(bodies.watch)
            yield
            group.cancel_scope.cancel()
        await recorder.stop(STOP_SECONDS)

    rest = FastAPIOffline(redoc_url=None, title=f"portfolio: {settings.use_case}", lifespan=lifespan)
    rest.add_exception_handler(RequestError, _fault_response)
    rest.add_exception_handler(HTTPException, _fault_response)
    rest.add_exception_handler(RequestValidationError, _fault_response)
    rest.openapi = lambda: openapi.document(rest, champion.current, settings.use_case)  # type: ignore[method-assign]

    @rest.get("/healthz", summary="Is the process alive?")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @rest.get("/readyz", summary="Can it answer?")
    @rest.get("/ping", summary="The same, for MLflow's clients")
    async def readyz() -> dict[str, Any]:
        if application.draining:
            raise RequestError(503, "draining", "The server is about to end.", retry_after_seconds=1)
        return {"status": "ready", "model": champion.serving().name}

    @rest.get("/model", summary="What is served, and what it is for")
    async def model() -> dict[str, Any]:
        now = champion.serving()
        manifest = now.bundle.manifest
        shadow = champion.shadow
        return {
            **now.name,
            **manifest.model_dump(include={"candidate", "created_at", "inputs", "output", "policy", "card", "figures"}),
            "lineage": manifest.lineage.model_dump(),
            "running": now.runner.plan.__dict__,
            "limits": settings.model_dump(include={"max_rows", "max_body_bytes"}),
            "shadow": None if shadow is None else {**shadow[0].name, "share": shadow[1]},
            "last_refusal": champion.refusal,
        }

    @rest.get("/versions", summary="The versions in the store, the newest first")
    async def versions() -> list[dict[str, Any]]:
        served = champion.serving().bundle.digest
        found = await anyio.to_thread.run_sync(champion.store.manifests)
        return [
            {
                "version": manifest.lineage.model_version,
                "digest": digest,
                "candidate": manifest.candidate,
                "created_at": manifest.created_at,
                "figures": manifest.figures,
                "is_served": digest == served,
            }
            for digest, manifest in found.items()
        ]

    @rest.get("/stats", summary="Live figures since the server started")
    async def stats() -> dict[str, Any]:
        return figures.live()

    @rest.get("/metrics", summary="The same and more, for Prometheus", response_class=PlainTextResponse)
    async def metrics() -> Response:
        return Response(figures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @rest.post("/admin/reload", summary="Look at the store now")
    async def reload() -> dict[str, Any]:
        await anyio.to_thread.run_sync(lambda: champion.refresh(force=True))
        return {"model": champion.serving().name, "last_refusal": champion.refusal}

    @rest.post("/feedback", summary="Tell what was true", status_code=201)
    async def feedback(request: Request) -> Response:
        """Answered when the label is on the disk. 404: no such answer. 409: it has a label. 422: no such class."""
        exchange: Exchange = request.scope["state"]["exchange"]
        manifest = champion.serving().bundle.manifest
        body = await bodies.read(exchange, MAX_FEEDBACK_BYTES)
        try:
            given = read_feedback(body, manifest)
            right = await recorder.label(given.request_id, given.row, given.label, judge(manifest, given))
        except RequestError as fault:
            figures.feedback(fault.code)
            raise
        figures.feedback({True: "right", False: "wrong", None: "stored"}[right])
        stored = {"request_id": given.request_id, "row": given.row, "label": given.label, "right": right}
        return JSONResponse({"stored": stored}, 201)

    @rest.get("/v2", summary="Open Inference Protocol: the server")
    async def server() -> dict[str, Any]:
        return {"name": "portfolio", "version": "2", "extensions": ["binary_tensor_data"]}

    @rest.get("/v2/health/live", summary="Open Inference Protocol: is the process alive?")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @rest.get("/v2/health/ready", summary="Open Inference Protocol: can it answer?")
    async def ready() -> dict[str, bool]:
        await readyz()
        return {"ready": True}

    @rest.get("/v2/models/{name}", summary="Open Inference Protocol: inputs and outputs")
    @rest.get("/v2/models/{name}/versions/{version}", summary="The same, of a version")
    async def model_metadata(name: str, version: str = "") -> dict[str, Any]:
        _check_model(name, version)
        return open_inference.metadata(champion.serving())

    @rest.get("/v2/models/{name}/ready", summary="Open Inference Protocol: can the model answer?")
    @rest.get("/v2/models/{name}/versions/{version}/ready", summary="The same, of a version")
    async def model_ready(name: str, version: str = "") -> dict[str, Any]:
        _check_model(name, version)
        return {"name": name, "ready": True}

    @rest.post("/v2/models/{name}/versions/{version}/infer", summary="Open Inference Protocol: predict with a version")
    async def infer(name: str, version: str, request: Request) -> Response:
        _check_model(name, version)
        body, media_type, headers = await inference.answer(request.scope["state"]["exchange"], open_protocol)
        named = {key.decode(): value.decode() for key, value in headers}
        return Response(body, media_type=media_type.decode(), headers=named)

    @rest.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    rest.mount("/page", StaticFiles(directory=PAGE), name="page")

    def _check_model(name: str, version: str) -> None:
        now = champion.serving()
        if name != settings.use_case or version not in ("", str(now.version)):
            raise RequestError(
                404, "no_such_model", f"Version {now.version} of '{settings.use_case}' is served, and no other."
            )

    application = Application(
        settings, bodies, inference, protocols, rest, figures, log if settings.access_log else None
    )
    application.champion, application.recorder = champion, recorder
    return application


async def _fault_response(request: Request, error: Exception) -> Response:
    """Errors all look alike, whoever finds them."""
    if isinstance(error, HTTPException):
        error = RequestError(
            error.status_code, "not_found" if error.status_code == 404 else "refused", str(error.detail)
        )
    elif isinstance(error, RequestValidationError):
        fault = error.errors()[0]
        error = RequestError(422, "invalid_request", f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}.")
    assert isinstance(error, RequestError)
    exchange: Exchange = request.scope["state"]["exchange"]
    return Response(exchange.fault_body(error), error.status, error.headers, media_type="application/json")
