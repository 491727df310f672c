"""What only administrators may do."""

from __future__ import annotations

from functools import partial

import anyio.to_thread
from fastapi import APIRouter
from typing_extensions import TypedDict

from serving.routes.dependencies import WatcherDep
from serving.runtime.served import ModelName

router = APIRouter(prefix="/admin", tags=["admin"])


class Reloaded(TypedDict):
    model: ModelName
    last_refusal: str | None


@router.post("/reload", summary="Check the store now")
async def reload(watcher: WatcherDep) -> Reloaded:
    await anyio.to_thread.run_sync(partial(watcher.refresh, force=True))
    return {"model": watcher.served().name, "last_refusal": watcher.refusal}
