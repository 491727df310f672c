"""A folder into which files are dropped: each file is one batch."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from portfolio.contract.declaration import declaration
from portfolio.contract.format import Format, Written
from portfolio.contract.sources import Cell, Source, dates_of, edited, is_to_come, waiting
from portfolio.contract.tables import SUFFIXES, is_table, read_table
from portfolio.core.errors import SourceError

if TYPE_CHECKING:
    import polars as pl

# The date in a file's name, with or without its day: sales-2026-01-31.csv, 2026_01.csv, 20260131.csv
DATE_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_.]?)(0[1-9]|1[0-2])(?:\2(0[1-9]|[12]\d|3[01]))?(?!\d)")


@declaration
class Folder(Source):
    """A folder of CSV, TSV, Parquet or Excel files, each of which is one batch.

    A batch is named by the date in its file's name (a month without a day is dated by its last day); a file without one
    by the last date in its column `date`. A later file is collected by the next run; one of a month that is still to
    come waits for it. `written` says how CSV files are
    written, as for `Csv`.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        key: str | None = None,
        split_by: Sequence[str | Cell] = (),
        date: str = "",
        **written: Unpack[Written],
    ) -> None:
        super().__init__(key=key, split_by=split_by, date=date)
        self.path, self.written = Path(path), Format(**written)

    def dates(self) -> list[date]:
        return sorted(day for day in self.files() if not is_to_come(day))

    def read(self, days: list[date]) -> dict[date, pl.DataFrame]:
        files = self.files()
        return {day: self.table(files[day]) for day in days}

    def late(self, batches: dict[date, Path]) -> list[str]:
        gone = [] if self.path.is_dir() else [f"{self.path} is not there, so no new rows can come from it"]
        files = self.files()
        ahead = [waiting(path, day) for day, path in files.items() if is_to_come(day)]
        return gone + ahead + edited(files, batches, self.use_case)

    def table(self, path: Path) -> pl.DataFrame:
        """The rows of one file. Raises SourceError if it can't be read."""
        return read_table(path, str(path), self.written)

    def files(self) -> dict[date, Path]:
        """The files by the days of their batches.

        Raises SourceError for a file that is no table, that nothing dates, or that has the date of another.
        """
        found: dict[date, Path] = {}
        for path in sorted(self.path.iterdir()) if self.path.is_dir() else []:
            # What programs leave there while a file is open, or being copied.
            if path.name.startswith((".", "~")) or path.is_dir():
                continue
            if not is_table(path):
                raise SourceError(
                    f"{path} is no table: their names end in {', '.join(SUFFIXES)}. Move it out of {self.path}."
                )
            day = self.day(path)
            if day in found:
                raise SourceError(
                    f"{found[day]} and {path} are both of {day}, and a file is one batch. Put a date of its own into "
                    "the name of one of them, or all rows into one file."
                )
            found[day] = path
        return found

    def day(self, path: Path) -> date:
        """The date of a file's batch. Raises SourceError if it has none."""
        stated = date_in(path.name)
        if stated is None and self.date:
            rows = self.table(path)
            stated = max(dates_of(rows, self.date), default=None)
        if stated is None:
            raise SourceError(
                f"{path}: nothing says of which day this batch is. Put a date into the name of the file, such as "
                f"{path.stem}-2026-01-31{path.suffix}, or name the column that dates its rows: Folder(..., date=...)."
            )
        return stated


def date_in(name: str) -> date | None:
    """The first date in a file's name; of a month, its last day."""
    for found in DATE_IN_NAME.finditer(name):
        year, month = int(found[1]), int(found[3])
        day = int(found[4]) if found[4] else monthrange(year, month)[1]
        if day <= monthrange(year, month)[1]:
            return date(year, month, day)
    return None
