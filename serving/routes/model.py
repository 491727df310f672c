"""What is served, and what could be."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import anyio.to_thread
from fastapi import APIRouter
from typing_extensions import TypedDict

from serving.protocols.pictures import MAX_PIXELS
from serving.routes.dependencies import ModelDep, ServicesDep, WatcherDep

router = APIRouter(tags=["model"])


class Version(TypedDict):
    """One bundle of the store."""

    version: int | None
    digest: str
    candidate: str
    created_at: str | None
    figures: dict[str, float]
    is_served: bool


@router.get("/model", summary="The served model, and what it is for")
async def describe(model: ModelDep, services: ServicesDep) -> dict[str, Any]:
    manifest = model.bundle.manifest
    figures = await services.figures()
    shadow = services.watcher.shadow
    return {
        **model.name,
        **manifest.model_dump(include={"candidate", "created_at", "inputs", "output", "policy", "card", "figures"}),
        "lineage": manifest.lineage.model_dump(),
        "running": asdict(model.runner.plan),
        "limits": {
            **services.settings.model_dump(include={"max_rows", "max_body_bytes"}),
            "max_pixels": MAX_PIXELS,
        },
        "shadow": None if shadow is None else {**shadow[0].name, "share": shadow[1]},
        "last_refusal": figures.refusal,
        "log": {
            "failure": figures.log_failure,
            "waiting": figures.log_waiting,
            "dropped": figures.counts.log_dropped,
        },
    }


@router.get("/versions", summary="The versions in the store, newest first")
async def versions(model: ModelDep, watcher: WatcherDep) -> list[Version]:
    found = await anyio.to_thread.run_sync(watcher.store.manifests)
    return [
        {
            "version": manifest.lineage.model_version,
            "digest": digest,
            "candidate": manifest.candidate,
            "created_at": manifest.created_at,
            "figures": manifest.figures,
            "is_served": digest == model.bundle.digest,
        }
        for digest, manifest in found.items()
    ]
