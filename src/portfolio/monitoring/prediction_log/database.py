"""The database of the prediction log: its address, its transactions, and what is made when it is missing."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event, inspect
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError

from portfolio.core.database_url import database_url
from portfolio.core.errors import ConfigError
from portfolio.monitoring.prediction_log.tables import feedback, metadata, predictions

FileId = tuple[int, int]

DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql+psycopg")
# How long a transaction waits for another's lock in SQLite, and how long a statement that adds dated rows may take in
# PostgreSQL: the monitor does not look back for what is written much later (its LAG).
WRITE_SECONDS = 5
ADDRESSES = "sqlite:////FOLDER/FILE.db or postgresql+psycopg://USER@HOST/NAME"


class Database:
    """A database with the tables of the prediction log."""

    def __init__(self, address: str) -> None:
        """Raises ConfigError if the address names no database that can be used."""
        url = _url(address)
        self._file = file_of(address)
        # A pooler such as pgbouncer gives each transaction another connection, on which no statement was prepared.
        options = {"timeout": WRITE_SECONDS} if self._file else {"connect_timeout": 5, "prepare_threshold": None}
        # A connection that was cut off is found when it is taken out, and replaced.
        self._engine = create_engine(url, connect_args=options, pool_pre_ping=self._file is None)
        self._ready = False
        self._opened: FileId | None = None
        if self._file:
            event.listen(self._engine, "connect", _durable)

    def shrink(self) -> None:
        """Give back the room of deleted rows. PostgreSQL does so by itself."""
        if self._file and self._file.exists():
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                # Also what was deleted by a process that was killed before it came here.
                if connection.exec_driver_sql("PRAGMA freelist_count").scalar():
                    connection.exec_driver_sql("VACUUM")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def begin(self) -> Iterator[Connection]:
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

    @contextmanager
    def begin_write(self) -> Iterator[Connection]:
        """A transaction that adds what is dated already. One that is held up is given up, as the next is dated anew."""
        with self.begin() as connection:
            if self._file is None:
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{WRITE_SECONDS}s'")
            yield connection

    def _prepare(self) -> None:
        """Make what is missing: also where a file of SQLite was taken away, emptied or replaced while it was open."""
        if self._ready and (self._file is None or self._opened == _file_id(self._file)):
            return
        if self._file is None:
            self._engine.dispose()
            self._complete()
        else:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            # Of several that find it emptied, one takes it away: the others would take away what that one makes.
            with _one_at_a_time(self._file.parent):
                self._open(self._file)
        self._ready = True

    def _open(self, file: Path) -> None:
        if _is_emptied(file):
            # Whoever has it open would write the journal, which lacks most of its content, back into it.
            for part in ("", "-wal", "-shm"):
                file.with_name(file.name + part).unlink(missing_ok=True)
        if self._ready:
            self._leave_file()
        self._ready = False
        self._engine.dispose()
        self._complete()
        self._opened = _file_id(file)

    def _complete(self) -> None:
        self._make_tables()
        self._add_columns()

    def _make_tables(self) -> None:
        """Others may make them at the same moment: each that they are first with is one less that is missing."""
        for _ in metadata.tables:
            try:
                metadata.create_all(self._engine)
                return
            except DBAPIError as error:
                if "already exists" not in str(error.orig):
                    raise
        metadata.create_all(self._engine)

    def _add_columns(self) -> None:
        """Add what an earlier version's tables lack. Two servers may do so at once."""
        there = {found["name"] for found in inspect(self._engine).get_columns(predictions.name)}
        for column in (predictions.c.callers_id, predictions.c.asked):
            if column.name in there:
                continue
            with suppress(DBAPIError), self._engine.begin() as connection:
                kind = column.type.compile(connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {predictions.name} ADD COLUMN {column.name} {kind}")
        with suppress(DBAPIError):
            for index in (*predictions.indexes, *feedback.indexes):
                index.create(self._engine, checkfirst=True)

    def _leave_file(self) -> None:
        """Empty the journal of the file that was open. It may lie beside the new file, and would be taken for its."""
        with suppress(DBAPIError), self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def file_of(address: str) -> Path | None:
    """Where SQLite keeps it; None of another database. Raises ConfigError as `Database` does."""
    url = _url(address)
    return Path(url.database) if url.database and url.get_backend_name() == "sqlite" else None


def _url(address: str) -> URL:
    """Raises ConfigError. It shows no more of the address than the driver, since the rest may hold a password."""
    try:
        url = database_url(address)
    except (ArgumentError, ValueError):
        raise ConfigError(f"The prediction log's address is not that of a database. Write {ADDRESSES}.") from None
    if url.drivername not in DRIVERS:
        raise ConfigError(f"A prediction log can't be kept with '{url.drivername}'. Write {ADDRESSES}.")
    in_memory = not url.database or url.database == ":memory:" or url.database.startswith("file:")
    if url.get_backend_name() == "sqlite" and in_memory:
        raise ConfigError(f"A prediction log in memory would be lost. Write {ADDRESSES}.")
    return url


def _file_id(file: Path) -> FileId | None:
    """Which file this is, whatever its name; None if there is none, or one without content."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return (found.st_dev, found.st_ino) if found.st_size else None


def _is_emptied(file: Path) -> bool:
    """A file of SQLite that has a journal has content too, unless somebody else took it away."""
    return file.exists() and file.stat().st_size == 0 and file.with_name(f"{file.name}-wal").exists()


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Among all processes that open a log in this folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _unusable(error: DBAPIError) -> DBAPIError:
    """The same, as a fault of the database and not of what was to be written."""
    if isinstance(error, (OperationalError, InterfaceError)):
        return error
    return OperationalError(error.statement, error.params, error.orig or error)


def _durable(connection: Any, _: object) -> None:
    """A commit returns when it is on the disk, and readers do not wait for the writer."""
    cursor = connection.cursor()
    # Of a new file. An answer to many rows fills dozens of pages of the usual 4 KiB, each with a write of its own.
    cursor.execute("PRAGMA page_size = 16384")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    # What would undo a statement of many rows: in a file of its own, that is more writing than the rows themselves.
    cursor.execute("PRAGMA temp_store = MEMORY")
    cursor.close()
