"""The true labels: each is stored once, and a corrected one is kept in the history."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import func, insert, select, update
from sqlalchemy.engine import Connection

from portfolio.monitoring.prediction_log.statements import as_dict, insert_rows, parts
from portfolio.monitoring.prediction_log.tables import Row, feedback, feedback_history

# The shortest time that both databases tell apart.
TICK = timedelta(microseconds=1)
OutcomeName = Literal["stored", "unchanged", "corrected", "kept"]


class Replaced(NamedTuple):
    """What a corrected label said before, and since when."""

    right: bool | None
    received_at: datetime


class LabelOutcome(NamedTuple):
    """What became of a label. `kept`: the row has another one, `label`, and the new one was no correction."""

    name: OutcomeName
    label: str
    right: bool | None
    replaced: Replaced | None = None


def store(connection: Connection, rows: Sequence[Row], corrections: Collection[int]) -> list[LabelOutcome]:
    """Add rows of feedback, and say what became of each.

    `corrections` are the indices of those that may replace another label.
    """
    # First, because another server may add one at the same moment: the database alone can tell.
    inserted = insert_rows(connection, feedback, rows, returning=True)
    added = {tuple(key) for result in inserted for key in result}
    # Of several for one row of a request, the first was added.
    there = {_place(row): row for row in reversed(rows) if _place(row) in added}
    for ids in parts(sorted({row["request_id"] for row in rows if _place(row) not in added})):
        found = connection.execute(select(feedback).where(feedback.c.request_id.in_(ids)).with_for_update())
        there = {_place(row): row for row in map(as_dict, found)} | there
    outcomes = []
    name: OutcomeName
    for index, row in enumerate(rows):
        place, before = _place(row), there[_place(row)]
        replaced = None
        if place in added:
            added.discard(place)
            name = "stored"
        elif before["label"] == row["label"]:
            name = "unchanged"
        elif index not in corrections:
            name = "kept"
        else:
            name = "corrected"
            _replace(connection, before, row)
            replaced = Replaced(before["right"], in_utc(before["received_at"]))
            there[place] = row
        outcomes.append(LabelOutcome(name, there[place]["label"], there[place]["right"], replaced))
    return outcomes


def _replace(connection: Connection, before: Row, row: Row) -> None:
    """Replace one label, and keep it in the history."""
    key = {name: row[name] for name in ("request_id", "row")}
    last = connection.execute(select(func.max(feedback_history.c.replaced_at)).filter_by(**key)).scalar()
    # Labels of one request have one time, and another server's clock may be behind: the history keeps the order.
    replaced_at = max(row["received_at"], in_utc(last) + TICK) if last else row["received_at"]
    connection.execute(insert(feedback_history).values({**before, "replaced_at": replaced_at}))
    new = {name: row[name] for name in ("label", "right", "received_at")}
    connection.execute(update(feedback).filter_by(**key).values(new))


def in_utc(moment: datetime) -> datetime:
    """SQLite keeps no time zone: what it gives back is UTC, as it was written."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _place(label: Row) -> tuple[str, int]:
    return label["request_id"], label["row"]
