"""Where raw rows come from: something that delivers batches named by date.

A collected batch never changes; collecting again adds what is new. So the rows of a batch must not depend on how many
batches there are, or will be.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from re import fullmatch
from typing import TYPE_CHECKING, Unpack
from urllib.parse import urlsplit
from urllib.request import url2pathname

from portfolio.bundle.manifest import PredefinedSplit
from portfolio.contract.declaration import declaration
from portfolio.contract.format import Format, Written
from portfolio.contract.tables import read_table
from portfolio.core.errors import ConfigError, SourceError
from portfolio.core.passwords import hidden

if TYPE_CHECKING:
    import polars as pl

DOWNLOADS = Path("data") / "downloads"
ROW = "row"
"""The key of rows that have none of their own: batch and place in it."""


@declaration
@dataclass(frozen=True)
class Cell:
    """A column of numbers, rounded to multiples of `size`: rows near each other have the same cell.

    `split_by=[Cell("longitude", 0.1), Cell("latitude", 0.1)]` keeps the rows of each square of a map in one split.
    """

    column: str
    size: float

    def __post_init__(self) -> None:
        if not 0 < self.size < float("inf"):
            raise ConfigError(f'Cell("{self.column}", {self.size:g}): the size must be greater than 0.')


@declaration
class Source(ABC):
    """Delivers batches by date.

    `key` is the column that identifies a row: no two rows share a value. Without one, each row is identified by its
    batch and its position there, in a column `row`. `date` is the column that dates the rows, if there is one.
    `split_by` lists what rows that belong together share, such as a person or a place, as columns or as cells of a
    column: such rows end up in the same split. By default, each row is assigned to a split on its own. `split` is a
    column that says which split a row is in, where the data come with one.
    """

    use_case = "NAME"
    """The use case whose source it is, for the commands in messages; set by it."""
    written = Format()
    """How its files are written, of a source that has files."""

    def __init__(
        self,
        *,
        key: str | None = None,
        split_by: Sequence[str | Cell] = (),
        split: PredefinedSplit | None = None,
        date: str = "",
    ) -> None:
        self.has_key = key is not None
        self.key = key or ROW
        self.split_by = tuple(split_by)
        self.split = split
        self.date = date

    @property
    def split_columns(self) -> list[str]:
        """The columns that `split_by` reads."""
        return [by.column if isinstance(by, Cell) else by for by in self.split_by]

    @property
    def cell_columns(self) -> list[str]:
        """Those of them that are read as numbers."""
        return [by.column for by in self.split_by if isinstance(by, Cell)]

    @abstractmethod
    def dates(self) -> list[date]:
        """The days for which there are batches by now, in order."""

    @abstractmethod
    def read(self, days: list[date]) -> dict[date, pl.DataFrame]:
        """The raw rows of those days. Raises SourceError if the source can't be reached or read."""

    def batches(self, days: list[date]) -> Iterator[tuple[date, pl.DataFrame]]:
        """The same one after the other, for a source of which not all can be held at once."""
        yield from self.read(days).items()

    def notes(self) -> list[str]:
        """What was left out of the batches that were read last, and why: a line each."""
        return []

    def late(self, batches: dict[date, Path]) -> list[str]:
        """Lines about rows that the source has by now and the collected batch of their day lacks, if it can say."""
        return []

    @property
    def known_columns(self) -> list[str]:
        """The columns of its rows, if that is known before any is read."""
        return []


def is_to_come(day: date) -> bool:
    """Whether no rows can be of that day yet. A day of this month is not: what is named by its month ends on its last.

    Somewhere it is tomorrow already.
    """
    return day.replace(day=1) > date.today() + timedelta(days=1)


def waiting(file: Path, day: date) -> str:
    """A line about a file of a day that is still to come."""
    return f"{file} is of {day}, which is still to come, so it waits until then. If the date is wrong, correct it"


def edited(files: dict[date, Path], batches: dict[date, Path], use_case: str) -> list[str]:
    """Lines about files that changed after their batches were collected, which never change by themselves."""
    late = sorted(day for day in files.keys() & batches if _is_newer(files[day], batches[day]))
    if not late:
        return []
    shown = ", ".join(sorted({str(files[day]) for day in late})[:3])
    return [
        f"{shown}: changed after the batch of {late[0]} was collected, which stays as it is. To see what is different, "
        f"and to replace it: portfolio recollect {use_case}"
    ]


def _is_newer(file: Path, batch: Path) -> bool:
    try:
        return file.stat().st_mtime > batch.stat().st_mtime
    except FileNotFoundError:
        return False


@declaration
class Rows(Source):
    """A source that has all its rows at once. A subclass writes `rows`.

    They are dealt to days by the column `date`, if there is one (those of a month that is still to come wait for it);
    else `rows_per_day` at a time, in the order in which they come, from the day `start` on; else they are one batch, of
    the day `start`.
    """

    _ahead: Sequence[date] = ()

    def __init__(
        self,
        *,
        key: str | None = None,
        split_by: Sequence[str | Cell] = (),
        split: PredefinedSplit | None = None,
        date: str = "",
        start: date | str | None = None,
        rows_per_day: int | None = None,
    ) -> None:
        super().__init__(key=key, split_by=split_by, split=split, date=date)
        self._start, self._rows_per_day = first_day(start), rows_per_day
        if bool(date) == (start is not None):
            raise ConfigError(
                "A source needs either date=, the column that dates each row, or start=, the day of its first batch."
            )
        if rows_per_day is not None and (date or rows_per_day < 1):
            raise ConfigError("rows_per_day must be at least 1, and goes with start=, not with date=.")

    @abstractmethod
    def rows(self) -> pl.DataFrame:
        """All rows there are by now. Raises SourceError if they can't be reached or read."""

    def dates(self) -> list[date]:
        days = sorted(self._batches())
        self._ahead = [day for day in days if self.date and is_to_come(day)]
        return days[: len(days) - len(self._ahead)]

    def late(self, batches: dict[date, Path]) -> list[str]:
        if not self._ahead:
            return []
        return [
            f"rows of {self._ahead[0]} or later are still to come, so they wait until then. If their dates are wrong, "
            "correct them"
        ]

    def read(self, days: list[date]) -> dict[date, pl.DataFrame]:
        batches = self._batches()
        return {day: batches[day] for day in days}

    def _batches(self) -> dict[date, pl.DataFrame]:
        rows = self.rows()
        if self._start is not None:
            size = self._rows_per_day or max(1, len(rows))
            starts = range(0, len(rows), size)
            return {self._start + timedelta(days=number): rows[at : at + size] for number, at in enumerate(starts)}
        return by_date(rows, self.date)


def by_date(rows: pl.DataFrame, column: str) -> dict[date, pl.DataFrame]:
    """The rows of each day. Raises SourceError if a value of the column is not a date."""
    return {day: part for (day,), part in rows.group_by(dates_of(rows, column), maintain_order=True)}


def dates_of(rows: pl.DataFrame, column: str) -> pl.Series:
    """The date of each row. Raises SourceError if there is no such column, or a value in it is not a date."""
    import polars as pl

    if column not in rows.columns:
        raise SourceError(f"There is no column '{column}' to date the rows by. There are: {', '.join(rows.columns)}.")
    dated = rows[column].cast(pl.String) if rows[column].dtype.is_integer() else rows[column]
    days = parsed_dates(dated) if dated.dtype == pl.String else calendar_days(dated)
    if days.null_count():
        raise SourceError(
            f"{days.null_count():,} of {len(days):,} values of '{column}' are not dates. Correct them, or date the "
            "rows by another column."
        )
    return days.alias("day")


def calendar_days(times: pl.Series) -> pl.Series:
    """The days of dates or times; of times with a zone, the days there."""
    import polars as pl

    if isinstance(times.dtype, pl.Datetime) and times.dtype.time_zone:
        times = times.dt.replace_time_zone(None)
    return times.cast(pl.Date, strict=False)


def parsed_dates(column: pl.Series) -> pl.Series:
    """Dates of texts such as 2026-01-31, 20260131, 2026年1月31日 or 31.01.2026, also with a time; else null.

    Of a time with its zone, the date is the one that is written.
    """
    import polars as pl

    column = column.str.strip_chars().str.replace(r"^(.*\d:\d\d\S*?)\s*(?:Z|[+-]\d\d:?\d\d)$", "$1")
    column = column.str.replace(r"^(\d{4})年(\d{1,2})月(\d{1,2})日", "$1-$2-$3")
    compact = column.str.to_date("%Y%m%d", strict=False)
    if compact.null_count() == column.null_count():
        return compact
    try:
        return column.str.to_datetime(strict=False, time_unit="us").cast(pl.Date)
    except pl.exceptions.PolarsError:
        return column.str.to_date(strict=False)


def check_public(url: str) -> None:
    """Raise ConfigError for the address of a file on the web that has a password or a token in it."""
    if hidden(url) != url:
        raise ConfigError(
            "The address has a password or a token in it, which would end up in git. Fetch the file yourself, and give "
            "its path. If the address was committed before, change what is secret in it."
        )


def first_day(day: date | str | None) -> date | None:
    """What `start` says. Raises ConfigError if that is no date."""
    try:
        return date.fromisoformat(day) if isinstance(day, str) else day
    except ValueError as error:
        raise ConfigError(f"start='{day}' is not a date ({error}). Write it as 2026-01-31.") from error


@declaration
class Csv(Rows):
    """A CSV file on the web, pinned by its SHA-256, or on this machine; it may be packed with gzip.

    `path` is relative to the project's folder. With `shuffle`, the rows come in the order of a hash of their content: a
    file that is sorted, by place for one, would otherwise come in batches that differ. `written` says how the file was
    written: see `Format`.
    """

    def __init__(
        self,
        *,
        url: str = "",
        path: str = "",
        sha256: str = "",
        shuffle: bool = False,
        key: str | None = None,
        split_by: Sequence[str | Cell] = (),
        split: PredefinedSplit | None = None,
        date: str = "",
        start: date | str | None = None,
        rows_per_day: int | None = None,
        **written: Unpack[Written],
    ) -> None:
        super().__init__(key=key, split_by=split_by, split=split, date=date, start=start, rows_per_day=rows_per_day)
        if bool(url) == bool(path):
            raise ConfigError("Csv needs either url=, with the sha256= of the file, or path=.")
        if url.startswith("file://"):
            url, path = "", url2pathname(urlsplit(url).path)
        if url and not url.startswith(("http://", "https://")):
            raise ConfigError(f"url='{url}' must begin with https:// or http://. For a file on this machine: path=.")
        check_public(url)
        if "://" in path:
            raise ConfigError(f"path='{path}' is an address. Give it as url=, with the sha256= of the file.")
        if url and not sha256:
            raise ConfigError(f"Csv needs the sha256= of {url}, so that everybody trains on the same bytes.")
        if sha256 and not fullmatch("[0-9a-fA-F]{64}", sha256):
            raise ConfigError(f"sha256='{sha256}' must be 64 digits of 0 to 9 and a to f, as sha256sum prints.")
        self.url, self.path, self.sha256, self._shuffle = url, path, sha256.lower(), shuffle
        self.written = Format(**written)

    def late(self, batches: dict[date, Path]) -> list[str]:
        file = Path(self.path).expanduser()
        changed = edited(dict.fromkeys(batches, file), batches, self.use_case) if self.path else []
        return [*super().late(batches), *changed]

    def rows(self) -> pl.DataFrame:
        from portfolio.core.download import check_pinned, download
        from portfolio.core.hashing import uniform

        path = download(self.url, self.sha256, DOWNLOADS) if self.url else Path(self.path).expanduser()
        if self.path and self.sha256 and path.is_file():
            check_pinned(path, self.sha256, self.path)
        table = read_table(path, self.url or self.path, self.written)
        return table[uniform(table, salt="shuffle").argsort(kind="stable")] if self._shuffle else table
