"""A query to a database: each day of its date column is one batch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portfolio.contract.declaration import declaration
from portfolio.contract.sources import Cell, Source, by_date
from portfolio.core.database_url import database_url
from portfolio.core.errors import ConfigError, SourceError, UnreachableError
from portfolio.core.passwords import VARIABLE, password_of

if TYPE_CHECKING:
    import polars as pl

CONNECT_TIMEOUT_SECONDS = 10


@declaration
class Sql(Source):
    """The rows of a query to a database that SQLAlchemy knows, such as PostgreSQL or SQLite.

    `address` is SQLAlchemy's: `sqlite:///data/shop.db`, `postgresql+psycopg://reader:${SHOP_PASSWORD}@db.example/shop`.
    `${NAME}` stands for the environment variable NAME: a password is never written down. Each day of the column `date`
    is one batch, once it is over: today's rows are not all there yet.
    """

    _waits = False
    """Whether there were rows of today, or later, when the days were looked up."""

    def __init__(
        self, address: str, query: str, *, date: str, key: str | None = None, split_by: Sequence[str | Cell] = ()
    ) -> None:
        super().__init__(key=key, split_by=split_by, date=date)
        if password_of(address):
            raise ConfigError(
                "The address has a password in it, which would end up in git. Write ${DATABASE_PASSWORD} in its "
                "place, and set that environment variable. If the password was committed before, change it."
            )
        self.address, self.query = address, query.strip().rstrip(";")

    def dates(self) -> list[date]:
        # SQLite takes a quoted name that no column has for a text.
        columns = self.all_rows(0).columns
        if self.date not in columns:
            raise SourceError(
                f"The query has no column '{self.date}' to date its rows by. It has: {', '.join(columns)}. Correct "
                "date= or the query in the use case."
            )
        rows = self._run(
            f"SELECT DISTINCT {self._day} AS {self._column} FROM {self._rows} WHERE {self._day} IS NOT NULL"
        )
        days = sorted(by_date(rows, self.date))
        over = [day for day in days if day < date.today()]
        self._waits = len(over) < len(days)
        return over

    def late(self, batches: dict[date, Path]) -> list[str]:
        # Each collect would say so of a database that is written to all day.
        if batches or not self._waits:
            return []
        return ["its rows of today are not all there yet, so they wait until tomorrow: run the same again then"]

    def read(self, days: list[date]) -> dict[date, pl.DataFrame]:
        if not days:
            return {}
        # From the first to the last: the days between are few, and a list of them may be longer than a query can be.
        rows = self._run(
            f"SELECT * FROM {self._rows} WHERE {self._day} BETWEEN :first AND :last",
            first=str(min(days)),
            last=str(max(days)),
        )
        found = by_date(rows, self.date) if len(rows) else {}
        return {day: found[day] for day in days if day in found}

    def all_rows(self, limit: int) -> pl.DataFrame:
        """Up to so many rows, of whatever day."""
        return self._run(f"SELECT * FROM {self._rows} LIMIT {int(limit)}")

    @property
    def _day(self) -> str:
        # The first ten characters of 2026-01-31T12:00: SQLite keeps dates as text, and has no type for them.
        return f"SUBSTR(CAST({self._column} AS VARCHAR(30)), 1, 10)"

    @property
    def _rows(self) -> str:
        # A query may end in a comment, which goes on until the line does.
        return f"({self.query}\n) AS rows_"

    @property
    def _column(self) -> str:
        return '"' + self.date.replace('"', '""') + '"'

    def _run(self, query: str, **values: Any) -> pl.DataFrame:
        import polars as pl
        import sqlalchemy
        from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

        address = VARIABLE.sub(lambda found: _variable(found[1]), self.address)
        try:
            url = database_url(address)
            shown = url.render_as_string(hide_password=True)
            if url.get_backend_name() == "sqlite" and url.database and not os.path.exists(url.database):
                raise SourceError(f"{shown}: there is no file {url.database}. Correct the address in the use case.")
            options = {"connect_timeout": CONNECT_TIMEOUT_SECONDS} if url.get_backend_name() == "postgresql" else {}
            engine = sqlalchemy.create_engine(url, connect_args=options)
            try:
                with engine.connect() as connection:
                    return pl.read_database(
                        sqlalchemy.text(query),
                        connection,
                        execute_options={"parameters": values},
                        infer_schema_length=None,
                    )
            finally:
                engine.dispose()
        except (SQLAlchemyError, ImportError, ValueError) as error:
            # Only the database's own words: SQLAlchemy's repeat the query, and a driver's may repeat the address.
            cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            unreachable = isinstance(error, OperationalError) or (
                isinstance(error, DBAPIError) and error.connection_invalidated
            )
            where = VARIABLE.sub("***", self.address)
            kind = UnreachableError if unreachable else SourceError
            raise kind(
                f"{where} can't be queried ({cause[:300]}). Check the address and the query in the use case, and "
                "that the database runs."
            ) from error


def _variable(name: str) -> str:
    from urllib.parse import quote

    try:
        return quote(os.environ[name], safe="")
    except KeyError:
        raise SourceError(
            f"The environment variable {name} is not set, which the database's address needs. Set it: export {name}=..."
        ) from None
