"""What the user named as the origin of the rows: a file here, a file on the web, or a database with a query."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from portfolio.contract.folder import Folder, date_in
from portfolio.contract.format import Format
from portfolio.contract.sources import DOWNLOADS, check_public, is_to_come
from portfolio.contract.sql import Sql
from portfolio.contract.tables import is_table, kind_of_table
from portfolio.core import files
from portfolio.core.download import download_to_pin
from portfolio.core.errors import ConfigError
from portfolio.core.passwords import QUERY, password_of, with_variable
from portfolio.profiling import project
from portfolio.profiling.draft import Draft
from portfolio.profiling.sample import SAMPLE_ROWS, Sample, check_rows, sample
from portfolio.profiling.writing import python_text, source_text


class Origin(Protocol):
    def sample(self) -> Sample:
        """Rows to decide by. Raises SourceError if they can't be had."""
        ...

    def declare(self, name: str, found: Draft) -> str:
        """The expression that declares the source, for a use case of that name; puts the first rows in their place."""
        ...


def origin(text: str, query: str, date_column: str, name: str, columns: Sequence[str] = ()) -> Origin:
    """What a text on the command line names. Raises ConfigError for what does not go together."""
    if text.startswith(("http://", "https://")):
        check_public(text)
        found: Origin = WebFile(text, tuple(columns))
    elif "://" in text:
        found = Database(text, query, date_column, name)
    elif password_of(text):
        raise ConfigError("An address of a database is written with ://, as in postgresql://USER:PASSWORD@HOST/NAME.")
    else:
        found = LocalFile(Path(text).expanduser(), tuple(columns))
    if query and not isinstance(found, Database):
        raise ConfigError("--query is for a database's address, such as sqlite:///shop.db. Leave it out for a file.")
    return found


@dataclass(frozen=True)
class LocalFile:
    path: Path
    columns: tuple[str, ...] = ()

    def sample(self) -> Sample:
        return sample(self.path, self.columns)

    def declare(self, name: str, found: Draft) -> str:
        folder = project.files_folder(name)
        folder.mkdir(parents=True)
        file_name = table_name(self.path)
        dated = found.date or date_in(file_name)
        shutil.copyfile(self.path, folder / (file_name if dated else with_date(file_name, date.today())))
        return source_text("Folder", [python_text(str(folder))], found)


@dataclass(frozen=True)
class WebFile:
    url: str
    columns: tuple[str, ...] = ()

    def sample(self) -> Sample:
        return sample(self._fetched()[0], self.columns)

    def declare(self, name: str, found: Draft) -> str:
        dated = {} if found.date else {"start": f'"{date.today()}"'}
        pinned = [f"url={python_text(self.url)}", f'sha256="{found.sample.path.name}"']
        return source_text("Csv", pinned, found, **dated)

    def _fetched(self) -> tuple[Path, str]:
        return download_to_pin(self.url, DOWNLOADS)


@dataclass(frozen=True)
class Database:
    """A password in the address is used, and neither shown nor written down: an environment variable stands for it."""

    address: str
    query: str
    date: str
    name: str

    def sample(self) -> Sample:
        if not self.query or not self.date:
            raise ConfigError(
                'Rows of a database need --query "SELECT ..." and --date COLUMN: each day of that column is a batch, '
                "so that new rows arrive by themselves."
            )
        rows = self._source().all_rows(SAMPLE_ROWS)
        check_rows(rows, self.shown)
        return Sample(Path(self.shown), Format(), rows, len(rows), rows.lazy())

    def declare(self, name: str, found: Draft) -> str:
        return source_text("Sql", [python_text(self.shown), python_text(self.query)], found)

    @property
    def shown(self) -> str:
        """The address without its password."""
        return with_variable(self.address, self.variable)

    @property
    def variable(self) -> str:
        return f"{self.name.upper()}_PASSWORD"

    def _source(self) -> Sql:
        if password := password_of(self.address):
            from urllib.parse import unquote

            if QUERY.search(password):
                raise ConfigError(
                    f"{self.shown}: it can't be told where the password in the address ends. Write each @ in it, and "
                    "in the options at the end, as %40; and in the password / as %2F and ? as %3F."
                )
            os.environ[self.variable] = unquote(password)
        return Sql(self.shown, self.query, date=self.date)


def table_name(path: Path) -> str:
    """The file's name as one that a folder collects: with the end that tables have, and no mark of a hidden file."""
    ends = {"csv": ".csv", "parquet": ".parquet", "workbook": ".xlsx"}
    name = path.name.lstrip(".~")
    return name if is_table(Path(name)) else f"{name}{ends[kind_of_table(path)]}"


def with_date(name: str, day: date) -> str:
    """The file's name with that date before its end."""
    suffixes = Path(name).suffixes
    ends = "".join(suffixes[-2:] if name.endswith(".gz") else suffixes[-1:])
    return f"{name.removesuffix(ends)}-{day}{ends}"


def place_for(use_case: str, source: Folder, path: Path, day: date | None) -> Path:
    """Where in the folder of a use case a file goes: under a name with a date unless a column dates its rows.

    Raises ConfigError if its day or its content is there already.
    """
    name = table_name(path)
    if day is None and not (source.date or date_in(name)):
        day = date.today()
    if day is not None and date_in(name) != day:
        name = with_date(name, day)
    named = day or date_in(name)
    if named is not None and is_to_come(named):
        raise ConfigError(
            f"{path} would be of {named}, which is still to come. Give the day on which its rows ended: "
            f"--date {date.today()}. Nothing was copied."
        )
    there = source.files()
    twin = next((other for other in there.values() if filecmp.cmp(other, path, shallow=False)), None)
    if twin is not None:
        raise ConfigError(f"{path} is the same as {twin}, which is there already. Nothing was copied.")
    day = date_in(name) or source.day(path)
    if day in there:
        raise ConfigError(
            f"{path} would be of {day}, and so is {there[day]}: a file is one batch. If it is another batch, give it "
            "another date: --date 2026-01-31; if it corrects that file, put it in its place and run portfolio "
            f"recollect {use_case}. Nothing was copied."
        )
    return source.path / name


def copy_file(path: Path, target: Path) -> None:
    """A copy that was broken off leaves nothing behind."""
    with files.replaced(target) as partial:
        shutil.copyfile(path, partial)
