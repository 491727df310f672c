"""The answers and labels of a half-open window [start, end) of time, read a part at a time.

Each part is a transaction of its own, so that a server beside it can tidy its journal, and memory is bounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, func, or_, select

from portfolio.monitoring.prediction_log.database import Database
from portfolio.monitoring.prediction_log.labels import in_utc
from portfolio.monitoring.prediction_log.statements import as_dict, parts
from portfolio.monitoring.prediction_log.tables import Row, feedback, feedback_history, predictions, unanswered

ROWS_AT_ONCE = 20_000
REQUESTS_AT_ONCE = 500
# Each may be of a request with a thousand rows.
LABELS_AT_ONCE = 1_000
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


class Served(NamedTuple):
    """What was served in a window."""

    digest: str
    model_version: int


class Unanswered(NamedTuple):
    """Why requests got no answer: an HTTP status, and the field that was wrong, or "" if it was none."""

    status: int
    field: str


def served(database: Database, start: datetime, end: datetime) -> list[Served]:
    """The bundles that were asked in the window, or whose answers were labelled in it; the newest version last."""
    columns = (predictions.c.digest, predictions.c.model_version)
    answered = select(*columns).where(_within(predictions.c.answered_at, start, end)).distinct()
    labelled = (
        select(*columns)
        .join(feedback, feedback.c.request_id == predictions.c.request_id)
        .where(_within(feedback.c.received_at, start, end))
        .distinct()
    )
    failed = select(unanswered.c.digest, unanswered.c.model_version).where(_within(unanswered.c.until, start, end))
    with database.begin() as connection:
        found = [one for query in (answered, labelled, failed.distinct()) for one in connection.execute(query)]
    newest: dict[str, int] = {}
    for digest, version in found:
        newest[digest] = max(version, newest.get(digest, 0))
    return sorted((Served(*one) for one in newest.items()), key=lambda one: one.model_version)


def first_request(database: Database) -> datetime | None:
    """When the first was answered, or the first one without an answer counted."""
    times = (predictions.c.answered_at, unanswered.c.until)
    with database.begin() as connection:
        found = [connection.execute(select(func.min(time))).scalar() for time in times]
    return min((in_utc(first) for first in found if first is not None), default=None)


def without_answer(database: Database, digest: str, start: datetime, end: datetime) -> Counter[Unanswered]:
    """How many requests that bundle left without an answer, by why.

    Each is counted at the end of its minute: one that ends after the window is whole in the next.
    """
    query = (
        select(unanswered.c.status, unanswered.c.field, func.sum(unanswered.c.requests))
        .where(unanswered.c.digest == digest, _within(unanswered.c.until, start, end))
        .group_by(unanswered.c.status, unanswered.c.field)
    )
    with database.begin() as connection:
        return Counter(
            {Unanswered(status, field): int(requests) for status, field, requests in connection.execute(query)}
        )


def answers(database: Database, digest: str, start: datetime, end: datetime) -> Iterator[list[Row]]:
    """What that bundle answered: requests with their columns, oldest first, so many rows at a time."""
    names = ("request_id", "answered_at", "rows", "inputs", "outputs", "by_machine")
    columns = [predictions.c[name] for name in names]
    query = select(*columns).where(predictions.c.digest == digest, predictions.c.answered_at < end)
    query = query.order_by(predictions.c.answered_at, predictions.c.request_id).limit(ROWS_AT_ONCE)
    since = predictions.c.answered_at >= start
    while True:
        rows: list[Row] = []
        taken = 0
        with database.begin() as connection:
            # A request may have one row or thousands: so many rows are taken, and one request at the least.
            found = connection.execute(query.where(since), execution_options={"yield_per": REQUESTS_AT_ONCE})
            for some in found.partitions():
                rows += [dict(zip(names, row, strict=True)) for row in some]
                taken += sum(row.rows for row in some)
                if taken >= ROWS_AT_ONCE:
                    break
            found.close()
        if not rows:
            return
        yield rows
        at, last = in_utc(rows[-1]["answered_at"]), rows[-1]["request_id"]
        later = predictions.c.answered_at > at
        same = and_(predictions.c.answered_at == at, predictions.c.request_id > last)
        # The first condition is implied, and lets the index be used.
        since = and_(predictions.c.answered_at >= at, or_(later, same))


def has_corrected(database: Database, digest: str, start: datetime, end: datetime) -> bool:
    """Whether a label that came in the window corrects one of before it."""
    query = (
        select(feedback.c.request_id)
        .join(
            feedback_history,
            and_(feedback_history.c.request_id == feedback.c.request_id, feedback_history.c.row == feedback.c.row),
        )
        .join(predictions, predictions.c.request_id == feedback.c.request_id)
        .where(
            predictions.c.digest == digest,
            _within(feedback.c.received_at, start, end),
            feedback_history.c.received_at < start,
        )
        .limit(1)
    )
    with database.begin() as connection:
        return connection.execute(query).first() is not None


def labels(database: Database, digest: str, start: datetime, end: datetime) -> Iterator[list[Row]]:
    """Labels of that bundle's answers that came in the window, each with its answer's columns; so many at a time."""
    keys = (feedback.c.received_at, feedback.c.request_id, feedback.c.row)
    query = (
        select(*keys, feedback.c.label)
        .join(predictions, predictions.c.request_id == feedback.c.request_id)
        .where(predictions.c.digest == digest, feedback.c.received_at < end)
        .order_by(*keys)
        .limit(LABELS_AT_ONCE)
    )
    since: ColumnElement[bool] = feedback.c.received_at >= start
    while True:
        with database.begin() as connection:
            rows = [as_dict(row) for row in connection.execute(query.where(since))]
            ids = sorted({row["request_id"] for row in rows})
            requests: dict[str, Row] = {}
            for some in parts(ids):
                names = ("request_id", "inputs", "outputs", "by_machine", "asked")
                of = select(*(predictions.c[name] for name in names)).where(predictions.c.request_id.in_(some))
                requests |= {row["request_id"]: row for row in map(as_dict, connection.execute(of))}
        if rows:
            yield [{**row, "request": requests[row["request_id"]]} for row in rows]
        if len(rows) < LABELS_AT_ONCE:
            return
        at, request_id, row = in_utc(rows[-1]["received_at"]), rows[-1]["request_id"], rows[-1]["row"]
        later = or_(
            feedback.c.received_at > at,
            feedback.c.request_id > request_id,
            and_(feedback.c.request_id == request_id, feedback.c.row > row),
        )
        since = and_(feedback.c.received_at >= at, later)


def _within(column: ColumnElement[datetime], start: datetime, end: datetime) -> ColumnElement[bool]:
    return and_(column >= start, column < end)
