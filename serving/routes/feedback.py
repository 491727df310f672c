"""True labels for answers that were given."""

from __future__ import annotations

from typing import Any, NotRequired

from fastapi import APIRouter, Response
from typing_extensions import TypedDict

from serving.errors import RequestError
from serving.front.exchange import JSON, Exchange
from serving.record.feedback import TrueLabel, read_labels
from serving.record.labels import Outcome, OutcomeName, Stored
from serving.routes.dependencies import ExchangeDep, ServicesDep
from serving.services import Services

router = APIRouter(tags=["feedback"])
MAX_BYTES = 256 * 1024


class StoredLabel(TypedDict):
    """`right` is null if that can't be said: of a value without a tolerance, or if the bundle is no longer there."""

    request_id: str
    row: int
    label: str | float
    right: bool | None
    outcome: OutcomeName


class RefusedLabel(TypedDict):
    """One of several labels, and why it was not stored."""

    request_id: NotRequired[str]
    callers_id: NotRequired[str]
    row: int
    error: dict[str, Any]


class StoredOne(TypedDict):
    stored: StoredLabel


class StoredSeveral(TypedDict):
    """In the order in which they were sent."""

    labels: list[StoredLabel | RefusedLabel]
    refused: int


@router.post("/feedback", summary="Send true labels", status_code=201, response_model=None)
async def feedback(exchange: ExchangeDep, services: ServicesDep, response: Response) -> StoredOne | StoredSeveral:
    """Answered once the labels are on disk.

    One label: 201 if it is stored, 200 if it was there already or corrects another. Several, under `labels`: 200 if all
    are stored, 207 if some are refused. 404: no such answer. 409: the row has another label. 422: no such class,
    or a value beyond the bounds that the target declares.
    """
    # The front answers it without passing here, which would take longer than storing a label does.
    response.status_code, answer = await store_labels(exchange, services)
    return answer


async def store_labels(exchange: Exchange, services: Services) -> tuple[int, StoredOne | StoredSeveral]:
    """Store what a request holds: the status and the body of its answer. Raises RequestError if it is refused."""
    try:
        body = await services.bodies.read(exchange, MAX_BYTES)
        # Other types a browser sends for any page of any site, without asking the server first.
        if exchange.content_type != JSON:
            raise RequestError(415, "unknown_type", "Send JSON, with Content-Type: application/json.")
        labels, several = read_labels(body)
        outcomes = await services.label(labels)
    except RequestError as error:
        services.metrics.refused_label(error.code)
        raise
    for outcome in outcomes:
        if isinstance(outcome, RequestError):
            services.metrics.refused_label(outcome.code)
        else:
            services.metrics.label(outcome)
    if several:
        refused = sum(isinstance(outcome, RequestError) for outcome in outcomes)
        described = [_described(*one) for one in zip(labels, outcomes, strict=True)]
        return 207 if refused else 200, {"labels": described, "refused": refused}
    (outcome,) = outcomes
    if isinstance(outcome, RequestError):
        raise outcome
    return 201 if outcome.outcome == "stored" else 200, {"stored": _stored(labels[0], outcome)}


def _described(label: TrueLabel, outcome: Outcome) -> StoredLabel | RefusedLabel:
    if not isinstance(outcome, RequestError):
        return _stored(label, outcome)
    refused: RefusedLabel = {"row": label.row, "error": {"code": outcome.code, "message": outcome.message}}
    if label.request_id is not None:
        refused["request_id"] = label.request_id
    if label.callers_id is not None:
        refused["callers_id"] = label.callers_id
    return refused


def _stored(label: TrueLabel, stored: Stored) -> StoredLabel:
    return {
        "request_id": stored.request_id,
        "row": label.row,
        "label": stored.label,
        "right": stored.right,
        "outcome": stored.outcome,
    }
