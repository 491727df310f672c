"""True labels for answers that were given."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from typing_extensions import TypedDict

from serving.errors import RequestError
from serving.record.feedback import is_right, read_feedback
from serving.routes.dependencies import ExchangeDep, ModelDep, ServicesDep

router = APIRouter(tags=["feedback"])
MAX_BYTES = 64 * 1024


class StoredLabel(TypedDict):
    """`right` is null for a predicted value, which is never exactly right."""

    request_id: str
    row: int
    label: str | float
    right: bool | None


class Stored(TypedDict):
    stored: StoredLabel


@router.post("/feedback", summary="Send a true label", status_code=201)
async def feedback(exchange: ExchangeDep, model: ModelDep, services: ServicesDep) -> Stored:
    """Answered once the label is on disk. 404: no such answer. 409: it already has a label. 422: no such class."""
    manifest = model.bundle.manifest
    # Not read by FastAPI, which has no limit of size or time.
    body = await services.bodies.read(exchange, MAX_BYTES)
    try:
        given = read_feedback(body, manifest)
        check = partial(is_right, manifest, label=given.label)
        right = await services.recorder.label(given.request_id, given.row, given.label, check)
    except RequestError as error:
        services.metrics.feedback(error.code)
        raise
    services.metrics.feedback({True: "right", False: "wrong", None: "stored"}[right])
    return {"stored": {"request_id": given.request_id, "row": given.row, "label": given.label, "right": right}}
