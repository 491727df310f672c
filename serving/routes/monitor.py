"""What the operator's page shows: the looks of the monitor, and the rows whose true label is waited for."""

from __future__ import annotations

from typing import Annotated, Any

import anyio.to_thread
import orjson
from fastapi import APIRouter, Query, Response

from portfolio.monitoring.looks import Look
from portfolio.monitoring.timeline import drifted_fields
from serving.record.backlog import MAX_WAITING
from serving.record.watch import Seen
from serving.routes.dependencies import ExchangeDep, ServicesDep
from serving.routes.feedback import StoredOne, StoredSeveral, store_labels
from serving.runtime.served import ServedModel

router = APIRouter(prefix="/monitor", tags=["monitor"])
LANGUAGES = ("en", "ja")
ABOUT = {"candidate", "card", "inputs", "output"}
# An example of a picture is long.
LEFT_OUT = {"inputs": {"__all__": {"example"}}}
# Of each look; the newest one has all.
OVER_TIME = ("yen_per_1000", "quality", "machine_share")


@router.get("/looks", summary="The newest looks of the monitor, and what happened meanwhile")
async def looks(services: ServicesDep, limit: Annotated[int, Query(ge=1, le=1000)] = 300) -> Response:
    """The oldest first. `latest` is the newest look at the served model, or else the newest of all, with its reasons.

    An event is one of the log's, or follows from the looks: `deployed`, `drift`, `harm`.
    """
    seen = await services.watch.seen(limit)
    # A thousand looks take tens of milliseconds.
    return await anyio.to_thread.run_sync(_answer, seen, services.watcher.current)


@router.get("/queue", summary="The oldest rows whose true label was asked for and has not come")
async def queue(services: ServicesDep, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> Response:
    """`waiting` counts them, up to 1,000. `models` has the fields and the classes of the models that answered."""
    waiting = await services.watch.waiting(limit)
    return _json(
        {
            "waiting": waiting.count,
            "is_more": waiting.count >= MAX_WAITING,
            "rows": [
                {
                    "request_id": row.request_id,
                    "row": row.row,
                    "answered_at": row.answered_at,
                    "digest": row.digest,
                    "inputs": waiting.inputs[row],
                }
                for row in waiting.rows
            ],
            "models": {
                digest: manifest.model_dump(include={"inputs", "output"}, exclude=LEFT_OUT)
                for digest, manifest in waiting.manifests.items()
            },
        }
    )


@router.post("/feedback", summary="Send true labels, as an administrator", status_code=201, response_model=None)
async def feedback(exchange: ExchangeDep, services: ServicesDep, response: Response) -> StoredOne | StoredSeveral:
    """The same as POST /feedback, for whoever labels the queue: one key does for all of the page."""
    response.status_code, answer = await store_labels(exchange, services)
    return answer


def _answer(seen: Seen, served: ServedModel | None) -> Response:
    model = None
    if served is not None:
        model = {**served.name, **served.bundle.manifest.model_dump(include=ABOUT, exclude=LEFT_OUT)}
    of_served = [look for look in seen.looks if served is not None and look.digest == served.bundle.digest]
    latest = next(reversed(of_served or seen.looks), None)
    return _json(
        {
            "latest": None if latest is None else _whole(latest),
            "looks": [_point(look) for look in seen.looks],
            "events": [moment._asdict() for moment in seen.moments],
            "model": model,
        }
    )


def _whole(look: Look) -> dict[str, Any]:
    reasons = [
        {
            "finding": reason.finding,
            "figures": reason.figures,
            "told": {language: reason.told(language) for language in LANGUAGES},
        }
        for reason in look.reasons
    ]
    # What only the next look needs is of no use here, and may be long.
    figures = {name: figure for name, figure in look.figures.items() if name != "state"}
    return {**_point(look), "start": look.start, "looked_at": look.looked_at, "reasons": reasons, "figures": figures}


def _point(look: Look) -> dict[str, Any]:
    return {
        "end": look.end,
        "model_version": look.model_version,
        "digest": look.digest,
        "verdict": look.verdict,
        "rows": look.rows,
        "labels": look.labels,
        "drifted": drifted_fields(look),
        **{name: look.figures.get(name) for name in OVER_TIME},
    }


def _json(content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
