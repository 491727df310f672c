"""Is the process alive, and can it answer?"""

from __future__ import annotations

from importlib.metadata import version as version_of
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from typing_extensions import TypedDict

from serving.routes.dependencies import ReadyModelDep, ServicesDep
from serving.runtime.served import ModelName

router = APIRouter(tags=["probes"])


class Alive(TypedDict):
    status: Literal["alive"]


class Ready(TypedDict):
    """`warnings` name what is wrong while predictions go on."""

    status: Literal["ready"]
    model: ModelName
    warnings: list[str]


LOG_FAILS = "The prediction log can't be written; the server's log and /model have the reason. Predictions go on."


@router.get("/healthz", summary="Is the process alive?")
@router.get("/health", summary="The same, for MLflow's clients")
async def healthz() -> Alive:
    return {"status": "alive"}


@router.get("/readyz", summary="Can it answer?")
@router.get("/ping", summary="The same, for MLflow's clients")
async def readyz(model: ReadyModelDep, services: ServicesDep) -> Ready:
    warnings = [LOG_FAILS] if any(standing.log_failure for standing in services.standings()) else []
    return {"status": "ready", "model": model.name, "warnings": warnings}


@router.get("/version", summary="The version of this server, for MLflow's clients", response_class=PlainTextResponse)
async def version() -> str:
    return version_of("portfolio")
