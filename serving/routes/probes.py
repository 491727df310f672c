"""Is the process alive, and can it answer?"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from typing_extensions import TypedDict

from serving.routes.dependencies import ReadyModelDep
from serving.runtime.served import ModelName

router = APIRouter(tags=["probes"])


class Alive(TypedDict):
    status: Literal["alive"]


class Ready(TypedDict):
    status: Literal["ready"]
    model: ModelName


@router.get("/healthz", summary="Is the process alive?")
async def healthz() -> Alive:
    return {"status": "alive"}


@router.get("/readyz", summary="Can it answer?")
@router.get("/ping", summary="The same, for MLflow's clients")
async def readyz(model: ReadyModelDep) -> Ready:
    return {"status": "ready", "model": model.name}
