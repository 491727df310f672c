"""Statements with many rows, or many ids, in each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, CursorResult, Dialect

from portfolio.monitoring.prediction_log.tables import Row

# With the eleven columns of a prediction the largest stays below the 999 parameters that any SQLite takes. Few sizes,
# since each is a statement that SQLite keeps, with the values that it was given last.
ROWS_IN_STATEMENT = (90, 10, 1)
IDS_IN_STATEMENT = 500
INSERTS: dict[str, Callable[[Table], postgresql.Insert | sqlite.Insert]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
}
"""By database: an INSERT that may update what is there."""


def insert_rows(
    connection: Connection, table: Table, rows: Sequence[Row], *, returning: bool = False
) -> Iterator[CursorResult[Any]]:
    """Add rows whose keys are not there yet; the results return these keys if `returning`."""
    dialect = connection.dialect
    processors = [column.type.dialect_impl(dialect).bind_processor(dialect) for column in table.columns]
    in_order = itemgetter(*table.columns.keys())
    start = 0
    for size in ROWS_IN_STATEMENT:
        statement = _statement(table, dialect, size)
        if returning:
            statement += f" RETURNING {', '.join(_quoted(dialect, table.primary_key.columns))}"
        while start + size <= len(rows):
            some = rows[start : start + size]
            values = list(chain.from_iterable(map(in_order, some)))
            for place, process in enumerate(processors):
                if process is not None:
                    values[place :: len(processors)] = list(map(process, values[place :: len(processors)]))
            yield connection.exec_driver_sql(statement, tuple(values))
            start += size


@cache
def _statement(table: Table, dialect: Dialect, rows: int) -> str:
    """One statement for so many rows.

    SQLAlchemy's own has one row, and is run once for each. That hands Python's lock over as often, and beside a busy
    loop each time is a wait: the writer then falls behind what it has to write.
    """
    mark = "?" if dialect.paramstyle == "qmark" else "%s"
    row = f"({', '.join([mark] * len(table.columns))})"
    (name,) = _quoted(dialect, [table])
    names = ", ".join(_quoted(dialect, table.columns))
    return f"INSERT INTO {name} ({names}) VALUES {', '.join([row] * rows)} ON CONFLICT DO NOTHING"


def add_counts(connection: Connection, table: Table, rows: Sequence[Row], count: str) -> None:
    """Add rows of counts; what is counted under a key that is there already is added to its count."""
    # In one order, since two that hold each other's rows would wait for each other.
    ordered = sorted(rows, key=lambda row: [row[column.name] for column in table.primary_key.columns])
    insert = INSERTS[connection.dialect.name](table)
    total = table.c[count] + insert.excluded[count]
    connection.execute(
        insert.on_conflict_do_update(index_elements=table.primary_key.columns, set_={count: total}), ordered
    )


def _quoted(dialect: Dialect, named: Iterable[Column[Any] | Table]) -> list[str]:
    return [dialect.identifier_preparer.quote(one.name) for one in named]


def as_dict(row: Any) -> Row:
    found: Row = row._asdict()
    return found


def parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many as a statement may hold, at a time."""
    for start in range(0, len(ids), IDS_IN_STATEMENT):
        yield ids[start : start + IDS_IN_STATEMENT]
