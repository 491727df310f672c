"""Live metrics, for the page and for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from serving.record.live import Summary
from serving.routes.dependencies import MetricsDep

router = APIRouter(tags=["metrics"])


@router.get("/stats", summary="Live metrics since the server started")
async def stats(metrics: MetricsDep) -> Summary:
    return metrics.summary()


@router.get("/metrics", summary="The same and more, for Prometheus", response_class=PlainTextResponse)
async def prometheus(metrics: MetricsDep) -> Response:
    return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
