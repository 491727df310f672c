"""The prediction log: what was asked, what was answered, and what turned out to be true.

Serving writes it, and monitoring reads it. SQLite by default, in WAL mode and durable; PostgreSQL by its address.

    predictions          one row per answered request, by its id
    shadow_predictions   what a challenger would have answered to some of them
    feedback             the true labels, at most one for each row of a request
    feedback_history     the labels that were corrected
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

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
    delete,
    event,
    func,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.engine import URL, Connection, CursorResult, Dialect, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError

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
    Column("callers_id", String(64), index=True, comment="the caller's own id of the request; not unique"),
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

Row = dict[str, Any]
FileId = tuple[int, int]

DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")
ADDRESSES = "sqlite:////FOLDER/FILE.db or postgresql+psycopg://USER@HOST/NAME"

# With the ten columns of a prediction the largest stays below the 999 parameters that any SQLite takes. Few sizes,
# since each is a statement that SQLite keeps, with the values that it was given last.
ROWS_IN_STATEMENT = (90, 10, 1)
IDS_IN_STATEMENT = 500
# Answers that are deleted in one transaction: a server beside it must not wait long.
PRUNED_AT_ONCE = 1000
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


class PredictionLog:
    """A database with these tables.

    Where the database can't be used, the methods raise SQLAlchemy's OperationalError or InterfaceError; its DataError
    and IntegrityError are about the rows.
    """

    def __init__(self, address: str) -> None:
        """Raises ConfigError if the address names no database that can be used."""
        url = _url(address)
        self._file = Path(url.database) if url.database and url.get_backend_name() == "sqlite" else None
        # A pooler such as pgbouncer gives each transaction another connection, on which no statement was prepared.
        options = {"timeout": 5} if self._file else {"connect_timeout": 5, "prepare_threshold": None}
        # A connection that was cut off is found when it is taken out, and replaced.
        self._engine = create_engine(url, connect_args=options, pool_pre_ping=self._file is None)
        self._ready = False
        self._opened: FileId | None = None
        if self._file:
            event.listen(self._engine, "connect", _durable)

    def check(self) -> None:
        """Make what is missing, and try to write. Raises like all methods if that fails."""
        with self._begin() as connection:
            connection.execute(delete(predictions).where(predictions.c.request_id == ""))

    def append(self, table: Table, rows: Sequence[Row]) -> int:
        """Add rows, in one transaction, and say how many were added.

        One whose id is there already is left as it is: to repeat does no harm.
        """
        with self._begin() as connection:
            return sum(result.rowcount for result in self._insert(connection, table, rows))

    def add_labels(self, rows: Sequence[Row], corrections: Collection[int] = ()) -> list[LabelOutcome]:
        """Add rows of feedback, in one transaction, and say what became of each.

        `corrections` are the indices of those that may replace another label, which is then kept in the history.
        """
        with self._begin() as connection:
            # First, because another server may add one at the same moment: the database alone can tell.
            inserted = self._insert(connection, feedback, rows, returning=True)
            added = {tuple(key) for result in inserted for key in result}
            # Of several for one row of a request, the first was added.
            there = {_place(row): row for row in reversed(rows) if _place(row) in added}
            for ids in _parts(sorted({row["request_id"] for row in rows if _place(row) not in added})):
                found = connection.execute(select(feedback).where(feedback.c.request_id.in_(ids)).with_for_update())
                there = {_place(row): row for row in map(_as_dict, found)} | there
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
                    self._replace(connection, before, row)
                    replaced = Replaced(before["right"], _in_utc(before["received_at"]))
                    there[place] = row
                outcomes.append(LabelOutcome(name, there[place]["label"], there[place]["right"], replaced))
        return outcomes

    def answers(self, request_ids: Collection[str]) -> dict[str, Row]:
        """The answers with these ids: `request_id`, `digest`, `rows` and `outputs` of each."""
        return {row["request_id"]: row for row in self._answers(predictions.c.request_id, request_ids)}

    def answers_to(self, callers_ids: Collection[str]) -> dict[str, list[Row]]:
        """The same by the callers' own ids, which may have been used again."""
        found: dict[str, list[Row]] = {}
        for row in self._answers(predictions.c.callers_id, callers_ids):
            found.setdefault(row["callers_id"], []).append(row)
        return found

    def prune(self, before: datetime, *, labelled: bool) -> int:
        """Delete the answers that were given before a time, with what belongs to them, and say how many they were.

        Those that have a label are kept, unless `labelled`: they can be learned from.
        """
        old = select(predictions.c.request_id).where(predictions.c.answered_at < before)
        if not labelled:
            old = old.where(predictions.c.request_id.not_in(select(feedback.c.request_id)))
        total = 0
        while True:
            with self._begin() as connection:
                ids = list(connection.execute(old.limit(PRUNED_AT_ONCE)).scalars())
            for some in _parts(ids):
                with self._begin() as connection:
                    for table in (shadow_predictions, feedback, feedback_history, predictions):
                        connection.execute(delete(table).where(table.c.request_id.in_(some)))
            total += len(ids)
            if len(ids) < PRUNED_AT_ONCE:
                return total

    def shrink(self) -> None:
        """Give back the room of deleted rows. PostgreSQL does so by itself."""
        if self._file and self._file.exists():
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def _answers(self, column: Column[Any], ids: Collection[str]) -> list[Row]:
        chosen = [predictions.c[name] for name in ("request_id", "callers_id", "digest", "rows", "outputs")]
        found: list[Row] = []
        if not ids:
            return found
        with self._begin() as connection:
            for some in _parts(sorted(ids)):
                found += map(_as_dict, connection.execute(select(*chosen).where(column.in_(some))))
        return found

    @staticmethod
    def _replace(connection: Connection, before: Row, row: Row) -> None:
        """Replace one label, and keep it in the history."""
        key = {name: row[name] for name in ("request_id", "row")}
        last = connection.execute(select(func.max(feedback_history.c.replaced_at)).filter_by(**key)).scalar()
        # Labels of one request have one time, and another server's clock may be behind: the history keeps the order.
        replaced_at = max(row["received_at"], _in_utc(last) + TICK) if last else row["received_at"]
        connection.execute(insert(feedback_history).values({**before, "replaced_at": replaced_at}))
        new = {name: row[name] for name in ("label", "right", "received_at")}
        connection.execute(update(feedback).filter_by(**key).values(new))

    @staticmethod
    def _insert(
        connection: Connection, table: Table, rows: Sequence[Row], *, returning: bool = False
    ) -> Iterator[CursorResult[Any]]:
        """Add rows whose keys are not there yet; the results return these keys if `returning`."""
        dialect = connection.dialect
        processors = [column.type.dialect_impl(dialect).bind_processor(dialect) for column in table.columns]
        columns = [(column.name, process) for column, process in zip(table.columns, processors, strict=True)]
        start = 0
        for size in ROWS_IN_STATEMENT:
            statement = _insert(table, dialect, size)
            if returning:
                statement += f" RETURNING {', '.join(_quoted(dialect, table.primary_key.columns))}"
            while start + size <= len(rows):
                some = rows[start : start + size]
                values = [process(row[name]) if process else row[name] for row in some for name, process in columns]
                yield connection.exec_driver_sql(statement, tuple(values))
                start += size

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
            except (DataError, IntegrityError):
                raise
            except DBAPIError as error:
                # A file that is damaged, a table that was dropped, a connection that is another's by now: no row is
                # at fault, and the next try makes what is missing.
                self._ready = self._ready and self._file is not None
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
        try:
            metadata.create_all(self._engine)
        except DBAPIError:
            # Another server may have made a table at the same moment.
            metadata.create_all(self._engine)
        self._add_columns()
        self._opened = _file_id(self._file) if self._file else None
        self._ready = True

    def _add_columns(self) -> None:
        """Add what an earlier version's tables lack. Two servers may do so at once."""
        column = predictions.c.callers_id
        if column.name in {found["name"] for found in inspect(self._engine).get_columns(predictions.name)}:
            return
        with suppress(DBAPIError), self._engine.begin() as connection:
            kind = column.type.compile(connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {predictions.name} ADD COLUMN {column.name} {kind}")
        with suppress(DBAPIError):
            for index in predictions.indexes:
                index.create(self._engine, checkfirst=True)

    def _leave_file(self) -> None:
        """Empty the journal of the file that was open. It may lie beside the new file, and would be taken for its."""
        with suppress(DBAPIError), self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def _url(address: str) -> URL:
    """Raises ConfigError. It shows no more of the address than the driver, since the rest may hold a password."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise ConfigError(f"The prediction log's address is not that of a database. Write {ADDRESSES}.") from None
    if url.drivername == "postgres":
        # As many hosts write it.
        url = url.set(drivername="postgresql")
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


def _unusable(error: DBAPIError) -> DBAPIError:
    """The same, as a fault of the database and not of what was to be written."""
    if isinstance(error, (OperationalError, InterfaceError)):
        return error
    return OperationalError(error.statement, error.params, error.orig or error)


def _in_utc(moment: datetime) -> datetime:
    """SQLite keeps no time zone: what it gives back is UTC, as it was written."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _place(label: Row) -> tuple[str, int]:
    return label["request_id"], label["row"]


def _as_dict(row: Any) -> Row:
    found: Row = row._asdict()
    return found


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many as a statement may hold, at a time."""
    for start in range(0, len(ids), IDS_IN_STATEMENT):
        yield ids[start : start + IDS_IN_STATEMENT]


@cache
def _insert(table: Table, dialect: Dialect, rows: int) -> str:
    """One statement for so many rows.

    SQLAlchemy's own has one row, and is run once for each. That hands Python's lock over as often, and beside a busy
    loop each time is a wait: the writer then falls behind what it has to write.
    """
    mark = "?" if dialect.paramstyle == "qmark" else "%s"
    row = f"({', '.join([mark] * len(table.columns))})"
    (name,) = _quoted(dialect, [table])
    names = ", ".join(_quoted(dialect, table.columns))
    return f"INSERT INTO {name} ({names}) VALUES {', '.join([row] * rows)} ON CONFLICT DO NOTHING"


def _quoted(dialect: Dialect, named: Iterable[Column[Any] | Table]) -> list[str]:
    return [dialect.identifier_preparer.quote(one.name) for one in named]


def _durable(connection: Any, _: object) -> None:
    """A commit returns when it is on the disk, and readers do not wait for the writer."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()
