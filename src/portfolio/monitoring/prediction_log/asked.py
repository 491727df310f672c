"""The rows whose true label was asked for, of a person or of the audit, and has not come yet."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, exists, or_, select, text
from sqlalchemy.engine import Connection

from portfolio.monitoring.prediction_log.labels import in_utc
from portfolio.monitoring.prediction_log.tables import IS_ASKED, feedback, predictions

# Requests that are read at a time, at least: one with several rows may have all its labels.
REQUESTS_AT_ONCE = 100


class AskedRow(NamedTuple):
    request_id: str
    row: int
    answered_at: datetime
    digest: str


def unlabelled(connection: Connection, limit: int, since: datetime | None = None) -> list[AskedRow]:
    """The oldest of them, up to `limit`; only of answers that were given at `since` or later, if that is given."""
    found: list[AskedRow] = []
    query = _query(connection.dialect.name).limit(max(limit, REQUESTS_AT_ONCE))
    if since is not None:
        query = query.where(predictions.c.answered_at >= since)
    requests = connection.execute(query).all()
    while requests:
        labelled = _labelled(connection, [request.request_id for request in requests if request.rows > 1])
        for request in requests:
            rows = [row for row, probability in enumerate(json.loads(request.asked)) if probability]
            found += [
                AskedRow(request.request_id, row, in_utc(request.answered_at), request.digest)
                for row in rows
                if (request.request_id, row) not in labelled
            ]
        if len(found) >= limit:
            break
        requests = connection.execute(query.where(_after(requests[-1]))).all()
    return found[:limit]


def _query(dialect: str) -> Select[Any]:
    """Requests with rows that were asked about; those of one row only while they have no label."""
    columns = [predictions.c[name] for name in ("request_id", "answered_at", "digest", "rows", "asked")]
    has_label = exists().where(feedback.c.request_id == predictions.c.request_id)
    return (
        select(*columns)
        .where(text(IS_ASKED[dialect]), or_(predictions.c.rows > 1, ~has_label))
        .order_by(predictions.c.answered_at, predictions.c.request_id)
    )


def _after(request: Any) -> Any:
    time, request_id = predictions.c.answered_at, predictions.c.request_id
    return or_(time > request.answered_at, and_(time == request.answered_at, request_id > request.request_id))


def _labelled(connection: Connection, request_ids: list[str]) -> set[tuple[str, int]]:
    query = select(feedback.c.request_id, feedback.c.row).where(feedback.c.request_id.in_(request_ids))
    return {(label.request_id, label.row) for label in connection.execute(query)} if request_ids else set()
