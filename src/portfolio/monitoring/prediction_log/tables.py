"""The tables of the prediction log."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, DateTime, Index, Integer, MetaData, String, Table, Text, text

metadata = MetaData()

predictions = Table(
    "predictions",
    metadata,
    Column("request_id", String(32), primary_key=True),
    Column("answered_at", DateTime(timezone=True), nullable=False, index=True),
    Column("protocol", String(20), nullable=False),
    Column("model_version", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("inputs", Text, nullable=False, comment="JSON: by input, the values of each row"),
    Column(
        "outputs", Text, nullable=False, comment="JSON: the probabilities of each row, or its value and error scale"
    ),
    Column("by_machine", Text, nullable=False, comment="JSON: of each row, whether the machine decided"),
    Column("callers_id", String(64), comment="the caller's own id of the request; not unique"),
    Column("asked", Text, comment="JSON: of each row, the probability with which its true label was asked for, or 0"),
)

IS_ASKED = {"sqlite": "asked GLOB '*[1-9]*'", "postgresql": "asked ~ '[1-9]'"}
"""By database: whether a label was asked for of any row of a request. The index has these requests alone."""
Index(
    "predictions_asked",
    predictions.c.answered_at,
    sqlite_where=text(IS_ASKED["sqlite"]),
    postgresql_where=text(IS_ASKED["postgresql"]),
)
# Most have none.
_HAS_CALLERS_ID = predictions.c.callers_id.is_not(None)
Index(
    "ix_predictions_callers_id",
    predictions.c.callers_id,
    sqlite_where=_HAS_CALLERS_ID,
    postgresql_where=_HAS_CALLERS_ID,
)

shadow_predictions = Table(
    "shadow_predictions",
    metadata,
    Column("request_id", String(32), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("answered_at", DateTime(timezone=True), nullable=False),
    Column("model_version", Integer, nullable=False),
    Column("outputs", Text, nullable=False),
    Column("by_machine", Text, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    Column("request_id", String(32), primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("label", Text, nullable=False, comment="JSON: the true class, or the true value"),
    Column("right", Boolean, comment="whether the answer was that class; null where answers are values"),
    Column("received_at", DateTime(timezone=True), nullable=False, index=True),
)

feedback_history = Table(
    "feedback_history",
    metadata,
    Column("request_id", String(32), primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("replaced_at", DateTime(timezone=True), primary_key=True),
    Column("label", Text, nullable=False),
    Column("right", Boolean),
    Column("received_at", DateTime(timezone=True), nullable=False),
)

unanswered = Table(
    "unanswered",
    metadata,
    Column("until", DateTime(timezone=True), primary_key=True, comment="the end of the minute in which they came"),
    Column("digest", String(64), primary_key=True),
    Column("status", Integer, primary_key=True, autoincrement=False, comment="of HTTP: from 500 on, the server failed"),
    Column("field", Text, primary_key=True, comment="which input was wrong; empty if it was none"),
    Column("model_version", Integer, nullable=False),
    Column("requests", Integer, nullable=False),
)

looks = Table(
    "looks",
    metadata,
    Column("look_id", String(32), primary_key=True),
    Column("looked_at", DateTime(timezone=True), nullable=False, index=True),
    Column("start", DateTime(timezone=True), nullable=False, comment="the window is from here"),
    Column("end", DateTime(timezone=True), nullable=False, comment="to just before here"),
    Column("model_version", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("rows", Integer, nullable=False, comment="answered in the window"),
    Column("labels", Integer, nullable=False, comment="received in the window"),
    Column("verdict", String(20), nullable=False),
    Column("reasons", Text, nullable=False, comment="JSON: a list of findings with their figures"),
    Column("figures", Text, nullable=False, comment="JSON: what was measured, and what the next look goes on from"),
    Column("acted_at", DateTime(timezone=True), comment="when the retraining began that it asked for"),
)

events = Table(
    "events",
    metadata,
    Column("event_id", String(32), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, index=True),
    Column("kind", String(20), nullable=False),
    Column("model_version", Integer),
    Column("figures", Text, nullable=False, comment="JSON: what the sentence about it needs"),
)

log_of = Table(
    "log_of",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False, comment="always 1: there is one row"),
    Column("use_case", Text, nullable=False, comment="whose answers these are"),
)

Row = dict[str, Any]
