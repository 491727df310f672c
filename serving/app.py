"""The application: FastAPI with its routers, and the front before it that answers predictions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from serving.errors import RequestError
from serving.front.exchange import Exchange
from serving.front.front import Front
from serving.protocols import openapi
from serving.protocols.invocations import Invocations
from serving.protocols.open_inference import OpenInference
from serving.protocols.predict import Predict
from serving.protocols.query import InferenceProtocol
from serving.record.logs import LogWriter
from serving.routes import admin, feedback, metrics, model, monitor, open_inference, page, probes
from serving.services import Services
from serving.settings import Settings
from serving.workers.siblings import Place

ROUTES = (probes, model, metrics, monitor, admin, feedback, open_inference, page)


def create_app(settings: Settings | None = None, log: LogWriter | None = None, place: Place | None = None) -> Front:
    """The application for `settings`, or for those of the environment. `log` gets a line for each failed request.
    `place` is that of a worker among others.

    Raises ConfigError if the settings are wrong.
    """
    services = Services.of(settings or Settings.from_environment(), place)
    protocols: dict[str, InferenceProtocol] = {
        "/predict": Predict(),
        "/invocations": Invocations(),
        f"/v2/models/{services.settings.use_case}/infer": OpenInference(),
    }
    return Front(
        _fastapi(services),
        services,
        protocols,
        log,
    )


def _fastapi(services: Services) -> FastAPI:
    use_case = services.settings.use_case

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with services.running():
            yield

    app: FastAPI = FastAPIOffline(
        redoc_url=None, title=f"portfolio: {use_case}", lifespan=lifespan, redirect_slashes=False
    )
    app.state.services = services
    for routes in ROUTES:
        app.include_router(routes.router)
    app.mount("/page", StaticFiles(directory=page.FOLDER), name="page")
    for error in (RequestError, HTTPException, RequestValidationError):
        app.add_exception_handler(error, _answer_error)
    app.openapi = lambda: openapi.document(app, services.watcher.current, use_case)  # type: ignore[method-assign]
    return app


async def _answer_error(request: Request, error: Exception) -> Response:
    """All errors look alike, whoever raises them."""
    if isinstance(error, HTTPException):
        headers = dict(error.headers or {})
        if error.status_code == 405:
            # A folder of files names none.
            allowed = headers.get("Allow", "GET")
            headers["Allow"] = f"{allowed}, HEAD" if "GET" in allowed and "HEAD" not in allowed else allowed
        error = RequestError(
            error.status_code,
            "not_found" if error.status_code == 404 else "refused",
            str(error.detail),
            headers=headers,
        )
    elif isinstance(error, RequestValidationError):
        first = error.errors()[0]
        error = RequestError(422, "invalid_request", f"{'.'.join(map(str, first['loc']))}: {first['msg']}.")
    assert isinstance(error, RequestError)
    exchange: Exchange = request.state.exchange
    return Response(exchange.error_body(error), error.status, error.headers, media_type="application/json")
