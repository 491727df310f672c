"""What is written to the prediction log, and read from it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, delete, exists, select

from portfolio.core.errors import ConfigError
from portfolio.monitoring.prediction_log import asked, labels
from portfolio.monitoring.prediction_log.asked import AskedRow
from portfolio.monitoring.prediction_log.database import ADDRESSES, Database
from portfolio.monitoring.prediction_log.labels import LabelOutcome
from portfolio.monitoring.prediction_log.statements import add_counts, as_dict, insert_rows, parts
from portfolio.monitoring.prediction_log.tables import (
    Row,
    feedback,
    feedback_history,
    log_of,
    looks,
    predictions,
    shadow_predictions,
    unanswered,
)

# Answers that are deleted in one transaction: a server beside it must not wait long.
PRUNED_AT_ONCE = 1000


class PredictionLog:
    """A database with these tables.

    Where the database can't be used, the methods raise SQLAlchemy's OperationalError or InterfaceError; its DataError
    and IntegrityError are about the rows.
    """

    def __init__(self, address: str) -> None:
        """Raises ConfigError if the address names no database that can be used."""
        self._database = Database(address)

    def check(self) -> None:
        """Make what is missing, and try to write. Raises like all methods if that fails."""
        with self._database.begin() as connection:
            connection.execute(delete(predictions).where(predictions.c.request_id == ""))

    def claim(self, use_case: str) -> None:
        """Note that this is the log of a use case, if no other has done so. Raises ConfigError if one has.

        Labels are taken by the id of the answer alone, and looks and events belong to the model that is served: in one
        log, those of another use case would pass for its own.
        """
        with self._database.begin() as connection:
            list(insert_rows(connection, log_of, [{"one": 1, "use_case": use_case}]))
            owner = connection.execute(select(log_of.c.use_case)).scalar_one()
        if owner != use_case:
            raise ConfigError(
                f"This prediction log is that of '{owner}', and '{use_case}' needs one of its own. Set SERVING_LOG_URL "
                f"to another database: {ADDRESSES}. If '{owner}' was renamed to '{use_case}', say so in this one: "
                f"UPDATE log_of SET use_case = '{use_case}'"
            )

    def append(self, table: Table, rows: Sequence[Row]) -> int:
        """Add rows, in one transaction, and say how many were added.

        One whose id is there already is left as it is: to repeat does no harm.
        """
        with self._database.begin_write() as connection:
            return sum(result.rowcount for result in insert_rows(connection, table, rows))

    def count_unanswered(self, rows: Sequence[Row]) -> None:
        """Add to the counts of requests without an answer, in one transaction."""
        with self._database.begin_write() as connection:
            add_counts(connection, unanswered, rows, "requests")

    def add_labels(self, rows: Sequence[Row], corrections: Collection[int] = ()) -> list[LabelOutcome]:
        """Add rows of feedback, in one transaction, and say what became of each.

        `corrections` are the indices of those that may replace another label, which is then kept in the history.
        """
        with self._database.begin_write() as connection:
            return labels.store(connection, rows, corrections)

    def answers(self, request_ids: Collection[str]) -> dict[str, Row]:
        """The answers with these ids: `request_id`, `digest`, `rows` and `outputs` of each."""
        return {row["request_id"]: row for row in self._answers(predictions.c.request_id, request_ids)}

    def answers_to(self, callers_ids: Collection[str]) -> dict[str, list[Row]]:
        """The same by the callers' own ids, which may have been used again."""
        found: dict[str, list[Row]] = {}
        for row in self._answers(predictions.c.callers_id, callers_ids):
            found.setdefault(row["callers_id"], []).append(row)
        return found

    def unlabelled(self, limit: int, since: datetime | None = None) -> list[AskedRow]:
        """The oldest rows, up to so many, whose true label was asked for and has not come.

        Only those of answers that were given at `since` or later, if that is given.
        """
        with self._database.begin() as connection:
            return asked.unlabelled(connection, limit, since)

    def inputs(self, request_ids: Collection[str]) -> dict[str, str]:
        """The inputs of the answers with these ids, as they were logged: JSON, by input the values of each row."""
        found: dict[str, str] = {}
        query = select(predictions.c.request_id, predictions.c.inputs)
        with self._database.begin() as connection:
            for some in parts(sorted(request_ids)):
                rows = connection.execute(query.where(predictions.c.request_id.in_(some)))
                found |= {row.request_id: row.inputs for row in rows}
        return found

    def prune(self, before: datetime, *, labelled: bool) -> int:
        """Delete the answers that were given before a time, with what belongs to them, and say how many they were.

        Those that have a label are kept, unless `labelled`: they can be learned from. Looks that are older go too, but
        for the newest at each bundle, from which the next one goes on.
        """
        later = looks.alias("later")
        is_followed = exists().where(later.c.digest == looks.c.digest, later.c.looked_at > looks.c.looked_at)
        with self._database.begin() as connection:
            connection.execute(delete(looks).where(looks.c.looked_at < before, is_followed))
            connection.execute(delete(unanswered).where(unanswered.c.until < before))
        old = select(predictions.c.request_id).where(predictions.c.answered_at < before)
        if not labelled:
            old = old.where(predictions.c.request_id.not_in(select(feedback.c.request_id)))
        total = 0
        while True:
            with self._database.begin() as connection:
                ids = list(connection.execute(old.limit(PRUNED_AT_ONCE)).scalars())
            for some in parts(ids):
                with self._database.begin() as connection:
                    doomed: ColumnElement[bool] = predictions.c.request_id.in_(some)
                    if not labelled:
                        # A label may have come meanwhile.
                        doomed &= predictions.c.request_id.not_in(select(feedback.c.request_id))
                    connection.execute(delete(predictions).where(doomed))
                    kept = select(predictions.c.request_id).where(predictions.c.request_id.in_(some))
                    for table in (shadow_predictions, feedback, feedback_history):
                        of_deleted = table.c.request_id.in_(some) & table.c.request_id.not_in(kept)
                        connection.execute(delete(table).where(of_deleted))
            total += len(ids)
            if len(ids) < PRUNED_AT_ONCE:
                return total

    def shrink(self) -> None:
        """Give back the room of deleted rows. PostgreSQL does so by itself."""
        self._database.shrink()

    def _answers(self, column: Column[Any], ids: Collection[str]) -> list[Row]:
        chosen = [predictions.c[name] for name in ("request_id", "callers_id", "digest", "rows", "outputs")]
        found: list[Row] = []
        if not ids:
            return found
        with self._database.begin() as connection:
            for some in parts(sorted(ids)):
                found += map(as_dict, connection.execute(select(*chosen).where(column.in_(some))))
        return found

    def close(self) -> None:
        self._database.close()
