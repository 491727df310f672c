"""The prediction log: what was asked, what was answered, and what turned out to be true.

Serving writes it, and monitoring reads it. SQLite by default, in WAL mode and durable; PostgreSQL by its address.

    predictions          one row an answered request, by its id
    shadow_predictions   what a challenger would have answered to some of them
    feedback             the true labels, one at most for each row of a request
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    select,
)
from sqlalchemy.engine import Connection, Dialect, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from portfolio.errors import ConfigError

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
    Column("outputs", Text, nullable=False, comment="JSON: the probabilities of each row, or its value"),
    Column("by_machine", Text, nullable=False, comment="JSON: of each row, whether the machine decided"),
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
    Column("received_at", DateTime(timezone=True), nullable=False),
)

Row = dict[str, Any]

# With the nine columns of a prediction the largest stays below the 999 parameters that any SQLite takes. Few sizes,
# since each is a statement that SQLite keeps, with the values that it was given last.
ROWS_IN_STATEMENT = (100, 10, 1)


class PredictionLog:
    """A database with these tables. Its methods raise SQLAlchemy's errors where the database can't be used."""

    def __init__(self, address: str) -> None:
        """Raises ConfigError if the address names no database that can be used."""
        try:
            url = make_url(address)
            if url.get_backend_name() not in ("sqlite", "postgresql"):
                raise ConfigError(
                    f"A prediction log can be kept in sqlite or postgresql, not {url.get_backend_name()}."
                )
            self._file = Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
            timeout = {"timeout": 5} if self._file else {"connect_timeout": 5}
            # A connection that was cut off is found when it is taken out, and replaced.
            self._engine = create_engine(url, connect_args=timeout, pool_pre_ping=self._file is None)
        except (ArgumentError, NoSuchModuleError) as error:
            raise ConfigError(
                f"'{address}' is no address of a database ({error}). For example: postgresql+psycopg://HOST/NAME"
            ) from error
        self._ready = False
        if self._file:
            event.listen(self._engine, "connect", _durable)

    def append(self, table: Table, rows: Sequence[Row]) -> None:
        """Add rows, in one transaction. One whose id is there already is left as it is: to repeat does no harm."""
        dialect = self._engine.dialect
        processors = [column.type.dialect_impl(dialect).bind_processor(dialect) for column in table.columns]
        columns = [(column.name, process) for column, process in zip(table.columns, processors, strict=True)]
        start = 0
        with self._begin() as connection:
            for size in ROWS_IN_STATEMENT:
                statement = _insert(table, dialect, size)
                while start + size <= len(rows):
                    some = rows[start : start + size]
                    values = [process(row[name]) if process else row[name] for row in some for name, process in columns]
                    connection.exec_driver_sql(statement, tuple(values))
                    start += size

    def prediction(self, request_id: str) -> Row | None:
        with self._begin() as connection:
            found = connection.execute(select(predictions).where(predictions.c.request_id == request_id)).first()
        return None if found is None else found._asdict()

    def label(self, request_id: str, row: int) -> str | None:
        """The label that a row has been given already, as JSON."""
        chosen = (feedback.c.request_id == request_id) & (feedback.c.row == row)
        with self._begin() as connection:
            found: str | None = connection.execute(select(feedback.c.label).where(chosen)).scalar()
        return found

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        self._prepare()
        with self._engine.begin() as connection:
            yield connection

    def _prepare(self) -> None:
        """Make what is missing: also where a file of SQLite was taken away while it was open."""
        if self._file and not self._file.exists():
            self._engine.dispose()
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._ready = False
        if not self._ready:
            metadata.create_all(self._engine)
            self._ready = True


@cache
def _insert(table: Table, dialect: Dialect, rows: int) -> str:
    """One statement for so many rows.

    SQLAlchemy's own has one row, and is run once for each. That hands Python's lock over as often, and beside a busy
    loop each time is a wait: the writer then falls behind what it has to write.
    """
    quoted = dialect.identifier_preparer.quote
    names = ", ".join(quoted(column.name) for column in table.columns)
    mark = "?" if dialect.paramstyle == "qmark" else "%s"
    row = f"({', '.join([mark] * len(table.columns))})"
    return f"INSERT INTO {quoted(table.name)} ({names}) VALUES {', '.join([row] * rows)} ON CONFLICT DO NOTHING"


def _durable(connection: Any, _: object) -> None:
    """A commit returns when it is on the disk, and readers do not wait for the writer."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()
