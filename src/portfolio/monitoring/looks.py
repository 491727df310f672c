"""What the monitor found, look by look, and what happened to the served model: kept beside the prediction log."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import ColumnElement, insert, select

from portfolio.bundle.store import Champion
from portfolio.core.sentences import told
from portfolio.monitoring.prediction_log.database import Database
from portfolio.monitoring.prediction_log.labels import in_utc
from portfolio.monitoring.prediction_log.tables import events, looks

FINDINGS = Path(__file__).with_name("findings.yaml")
# By so much the clocks of two machines may differ.
CLOCKS_APART = timedelta(minutes=1)
Verdict = Literal["healthy", "insufficient_data", "warn", "harmful"]
EventKind = Literal["promoted", "refused", "rolled_back", "retraining", "quarantined"]


@dataclass(frozen=True)
class Reason:
    """Why a look came to its verdict: a sentence of findings.yaml, by name, with the figures in it."""

    finding: str
    figures: dict[str, Any] = field(default_factory=dict)

    def told(self, language: str) -> str:
        """In words."""
        return told(FINDINGS, language, self.finding, self.figures)


@dataclass(frozen=True)
class Look:
    """What was found in one half-open window [start, end) of one model version's answers."""

    start: datetime
    end: datetime
    model_version: int
    digest: str
    rows: int
    labels: int
    verdict: Verdict
    reasons: tuple[Reason, ...]
    figures: dict[str, Any]
    looked_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    look_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    acted_at: datetime | None = None


@dataclass(frozen=True)
class Event:
    kind: EventKind
    model_version: int | None = None
    figures: dict[str, Any] = field(default_factory=dict)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    event_id: str = field(default_factory=lambda: uuid.uuid4().hex)


class Looks:
    """The looks and events in the database of a prediction log. Raises as `PredictionLog` does."""

    def __init__(self, address: str) -> None:
        self._database = Database(address)

    def add(self, *found: Look) -> None:
        """All of them, or none: where one has been looked at and another not, the next look goes on after both."""
        rows = [
            asdict(look)
            | {
                "reasons": json.dumps([asdict(reason) for reason in look.reasons]),
                "figures": json.dumps(look.figures),
            }
            for look in found
        ]
        if rows:
            with self._database.begin() as connection:
                connection.execute(insert(looks), rows)

    def last(self, limit: int = 1, digest: str | None = None) -> list[Look]:
        """The latest looks, the newest first; of one bundle alone if its digest is given."""
        query = select(looks).where(_has_been()).order_by(looks.c.looked_at.desc()).limit(limit)
        if digest is not None:
            query = query.where(looks.c.digest == digest)
        with self._database.begin() as connection:
            return [_look(row._asdict()) for row in connection.execute(query)]

    def current(self, served: Champion | None) -> Look | None:
        """The newest look at what is served; at any, if there is none at that yet.

        The newest of all may be at a version that was replaced, since its labels come later.
        """
        of_served = [] if served is None else self.last(1, served.digest)
        return next(iter(of_served or self.last()), None)

    def ends(self, digest: str) -> list[datetime]:
        """When the windows of the looks at one bundle ended, the oldest first."""
        query = select(looks.c.end).where(looks.c.digest == digest, _has_been()).order_by(looks.c.end)
        with self._database.begin() as connection:
            return [in_utc(end) for end in connection.execute(query).scalars()]

    def since(self, time: datetime) -> list[Look]:
        """The looks at windows that ended after that time, of all bundles."""
        query = select(looks).where(looks.c.end > time, _has_been())
        with self._database.begin() as connection:
            return [_look(row._asdict()) for row in connection.execute(query)]

    def wanted(self, digest: str) -> Look | None:
        """The newest look at this bundle that asks for retraining and has not been acted on.

        Labels also come late for a version that has been replaced: what it cost is no reason to replace its successor.
        """
        query = select(looks).where(
            looks.c.digest == digest, looks.c.verdict == "harmful", looks.c.acted_at.is_(None), _has_been()
        )
        with self._database.begin() as connection:
            found = connection.execute(query.order_by(looks.c.looked_at.desc()).limit(1)).first()
        return None if found is None else _look(found._asdict())

    def act(self, at: datetime) -> None:
        """Mark those as acted on that asked for retraining by then: of later ones nobody knew when it began."""
        wanted = looks.update().where(looks.c.verdict == "harmful", looks.c.acted_at.is_(None), looks.c.looked_at <= at)
        with self._database.begin() as connection:
            connection.execute(wanted.values(acted_at=at))

    def add_event(self, event: Event) -> None:
        """Add an event, or write one that is there anew."""
        row = asdict(event) | {"figures": json.dumps(event.figures)}
        with self._database.begin() as connection:
            connection.execute(events.delete().where(events.c.event_id == event.event_id))
            connection.execute(insert(events).values(row))

    def events(self, limit: int = 1000) -> list[Event]:
        """The latest events, the newest first."""
        with self._database.begin() as connection:
            found = connection.execute(select(events).order_by(events.c.at.desc()).limit(limit))
            rows = [row._asdict() for row in found]
        return [Event(**row | {"at": in_utc(row["at"]), "figures": json.loads(row["figures"])}) for row in rows]

    def close(self) -> None:
        self._database.close()


def _has_been() -> ColumnElement[bool]:
    """Whether a look was made until now. Others are of a clock that was ahead: none would follow before that time."""
    return looks.c.looked_at <= datetime.now(UTC) + CLOCKS_APART


def _look(row: dict[str, Any]) -> Look:
    times = {name: row[name] and in_utc(row[name]) for name in ("start", "end", "looked_at", "acted_at")}
    reasons = tuple(Reason(**reason) for reason in json.loads(row["reasons"]))
    return Look(**row | times | {"reasons": reasons, "figures": json.loads(row["figures"])})
