"""What only administrators may do."""

from __future__ import annotations

from fastapi import APIRouter
from typing_extensions import TypedDict

from serving.routes.dependencies import ServicesDep
from serving.runtime.served import ModelName

router = APIRouter(prefix="/admin", tags=["admin"])


class Reloaded(TypedDict):
    model: ModelName
    last_refusal: str | None


@router.post("/reload", summary="Check the store now")
async def reload(services: ServicesDep) -> Reloaded:
    await services.look()
    refusals = (standing.refusal for standing in services.standings())
    return {"model": services.watcher.served().name, "last_refusal": next(filter(None, refusals), None)}
