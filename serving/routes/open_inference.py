"""The Open Inference Protocol: metadata, health, and predictions from a named version."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from typing_extensions import TypedDict

from serving.protocols.open_inference import OpenInference, metadata
from serving.routes.dependencies import ExchangeDep, NamedModelDep, ReadyModelDep, ServicesDep

router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])
PROTOCOL = OpenInference()


class ServerMetadata(TypedDict):
    name: str
    version: str
    extensions: list[str]


class ServerLive(TypedDict):
    live: bool


class ServerReady(TypedDict):
    ready: bool


class ModelReady(TypedDict):
    name: str
    ready: bool


@router.get("", summary="Open Inference Protocol: the server")
async def server() -> ServerMetadata:
    return {"name": "portfolio", "version": "2", "extensions": ["binary_tensor_data"]}


@router.get("/health/live", summary="Open Inference Protocol: is the process alive?")
async def live() -> ServerLive:
    return {"live": True}


@router.get("/health/ready", summary="Open Inference Protocol: can it answer?")
async def ready(_: ReadyModelDep) -> ServerReady:
    return {"ready": True}


@router.get("/models/{name}", summary="Open Inference Protocol: inputs and outputs")
@router.get("/models/{name}/versions/{version}", summary="The same, for a version")
async def model_metadata(model: NamedModelDep) -> dict[str, Any]:
    return metadata(model)


@router.get("/models/{name}/ready", summary="Open Inference Protocol: can the model answer?")
@router.get("/models/{name}/versions/{version}/ready", summary="The same, for a version")
async def model_ready(model: NamedModelDep) -> ModelReady:
    return {"name": model.name["use_case"], "ready": True}


@router.post("/models/{name}/versions/{version}/infer", summary="Open Inference Protocol: predict with a version")
async def infer(_: NamedModelDep, exchange: ExchangeDep, services: ServicesDep) -> Response:
    body, media_type, headers = await services.inference.answer(exchange, PROTOCOL)
    return Response(
        body, media_type=media_type.decode(), headers={key.decode(): value.decode() for key, value in headers}
    )
