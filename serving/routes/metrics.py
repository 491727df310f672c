"""Live metrics, for the page and for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from serving.record.figures import Summary
from serving.routes.dependencies import ServicesDep

router = APIRouter(tags=["metrics"])


@router.get("/stats", summary="Live metrics since the server started")
async def stats(services: ServicesDep) -> Summary:
    return (await services.figures()).summary()


@router.get("/metrics", summary="The same and more, for Prometheus", response_class=PlainTextResponse)
async def prometheus(services: ServicesDep) -> Response:
    return Response((await services.all_figures()).text(), media_type="text/plain; version=0.0.4; charset=utf-8")
