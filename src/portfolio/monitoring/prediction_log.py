"""The prediction log: what was asked, what was answered, and what turned out to be true.

Serving writes it, and monitoring reads it. SQLite by default, in WAL mode and durable; PostgreSQL by its address.

    predictions          one row an answered request, by its id
    shadow_predictions   what a challenger would have answered to some of them
    feedback             the true labels, one at most for each row of a request
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
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
from sqlalchemy.engine import URL, Connection, Dialect, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, OperationalError

from portfolio.core.errors import ConfigError

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
FileId = tuple[int, int]

DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")
ADDRESSES = "sqlite:////FOLDER/FILE.db or postgresql+psycopg://USER@HOST/NAME"

# With the nine columns of a prediction the largest stays below the 999 parameters that any SQLite takes. Few sizes,
# since each is a statement that SQLite keeps, with the values that it was given last.
ROWS_IN_STATEMENT = (100, 10, 1)


class PredictionLog:
    """A database with these tables.

    Where the database can't be used its methods raise SQLAlchemy's OperationalError or InterfaceError; any other of its
    errors is about the rows.
    """

    def __init__(self, address: str) -> None:
        """Raises ConfigError if the address names no database that can be used."""
        url = _url(address)
        self._file = Path(url.database) if url.database and url.get_backend_name() == "sqlite" else None
        timeout = {"timeout": 5} if self._file else {"connect_timeout": 5}
        # A connection that was cut off is found when it is taken out, and replaced.
        self._engine = create_engine(url, connect_args=timeout, pool_pre_ping=self._file is None)
        self._ready = False
        self._opened: FileId | None = None
        if self._file:
            event.listen(self._engine, "connect", _durable)

    def append(self, table: Table, rows: Sequence[Row]) -> int:
        """Add rows, in one transaction, and say how many were added.

        One whose id is there already is left as it is: to repeat does no harm.
        """
        dialect = self._engine.dialect
        processors = [column.type.dialect_impl(dialect).bind_processor(dialect) for column in table.columns]
        columns = [(column.name, process) for column, process in zip(table.columns, processors, strict=True)]
        start = added = 0
        with self._begin() as connection:
            for size in ROWS_IN_STATEMENT:
                statement = _insert(table, dialect, size)
                while start + size <= len(rows):
                    some = rows[start : start + size]
                    values = [process(row[name]) if process else row[name] for row in some for name, process in columns]
                    added += connection.exec_driver_sql(statement, tuple(values)).rowcount
                    start += size
        return added

    def add_label(self, row: Row) -> bool:
        """Add a row of feedback. False if there is one of the same answer already, which is kept.

        The database alone can tell: another server may add one at the same moment.
        """
        return self.append(feedback, [row]) == 1

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
        try:
            self._prepare()
            connection = self._engine.connect()
        except DBAPIError as error:
            raise _unusable(error) from error
        with connection, connection.begin():
            try:
                yield connection
            except DatabaseError as error:
                if type(error) is not DatabaseError:
                    raise
                # Of no more special kind: how SQLite tells of a file that is damaged.
                raise _unusable(error) from error

    def _prepare(self) -> None:
        """Make what is missing: also where a file of SQLite was taken away or replaced while it was open."""
        if self._ready and (self._file is None or self._opened == _file_id(self._file)):
            return
        if self._ready:
            self._leave_file()
        self._ready = False
        self._engine.dispose()
        if self._file:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        metadata.create_all(self._engine)
        self._opened = _file_id(self._file) if self._file else None
        self._ready = True

    def _leave_file(self) -> None:
        """Empty the journal of the file that was open. It may lie beside the new file, and would be taken for its."""
        with suppress(DBAPIError), self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def _url(address: str) -> URL:
    """Raises ConfigError. It shows no more of the address than the driver, since the rest may hold a password."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise ConfigError(f"The prediction log's address is no address of a database. Write {ADDRESSES}.") from None
    if url.drivername not in DRIVERS:
        raise ConfigError(f"A prediction log can't be kept with '{url.drivername}'. Write {ADDRESSES}.")
    in_memory = not url.database or url.database == ":memory:" or url.database.startswith("file:")
    if url.get_backend_name() == "sqlite" and in_memory:
        raise ConfigError(f"A prediction log in memory would be lost. Write {ADDRESSES}.")
    return url


def _file_id(file: Path) -> FileId | None:
    """Which file this is, whatever its name; None if there is none."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _unusable(error: DBAPIError) -> OperationalError:
    """The same, as a fault of the database and not of what was to be written."""
    return OperationalError(error.statement, error.params, error.orig or error)


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
