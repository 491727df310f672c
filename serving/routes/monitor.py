"""What the operator's page shows: the looks of the monitor, and the rows whose true label is waited for."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request, Response

from serving.record.backlog import MAX_WAITING
from serving.record.overview import LEFT_OUT
from serving.routes.dependencies import ExchangeDep, ServicesDep
from serving.routes.feedback import StoredOne, StoredSeveral, store_labels

router = APIRouter(prefix="/monitor", tags=["monitor"])


@router.get("/looks", summary="The newest looks of the monitor, and what happened meanwhile")
async def looks(
    services: ServicesDep, request: Request, limit: Annotated[int, Query(ge=1, le=2000)] = 1000
) -> Response:
    """The oldest first. `latest` is the newest look at the served model, or else the newest of all, with its reasons.

    An event is one of the log's, or follows from the looks: `deployed`, `drift`, `harm`. A request with the ETag of the
    answer before gets 304 as long as there is nothing new.
    """
    overview = await services.watch.overview(limit, services.watcher.current, services.settings.use_case)
    headers = {"ETag": f'"{overview.tag}"', "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(overview.body, headers=headers, media_type="application/json")


@router.get("/queue", summary="The oldest rows whose true label was asked for and has not come")
async def queue(services: ServicesDep, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> Response:
    """`waiting` counts them, up to 1,000. `models` has the fields and the classes of the models that answered."""
    waiting = await services.watch.waiting(limit)
    return Response(
        orjson.dumps(
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
        ),
        media_type="application/json",
    )


@router.post("/feedback", summary="Send true labels, as an administrator", status_code=201, response_model=None)
async def feedback(exchange: ExchangeDep, services: ServicesDep, response: Response) -> StoredOne | StoredSeveral:
    """The same as POST /feedback, for whoever labels the queue: one key does for all of the page."""
    response.status_code, answer = await store_labels(exchange, services)
    return answer
