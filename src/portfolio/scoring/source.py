"""What is to be scored: one file of rows, or a folder of them, read a part at a time.

Plain CSV and Parquet may be larger than memory. A file that is written as the use case declares of its own, such as a
workbook, or CSV in another encoding, is read at once, as for training.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import polars as pl

from portfolio.bundle.manifest import InputField
from portfolio.contract.csv_file import without
from portfolio.contract.format import Format
from portfolio.contract.loading import find_use_case, use_case_names
from portfolio.contract.tables import SUFFIXES, as_text, is_table, kind_of_table, read_table
from portfolio.core.errors import ConfigError, DataError
from portfolio.core.labels import listed

PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")
OF_PICTURES = " Picture files can't be scored so: a server answers them, which `portfolio predict *.jpg` asks."
# Of a part: enough that what surrounds the model costs little, and little enough that every core has its share of them.
PART_BYTES = 8 * 1024 * 1024
PART_ROWS = (1_000, 5_000)


class Part(NamedTuple):
    """Some rows of one file, as they are there. `start` is the number of the first, from 1."""

    name: str
    file: Path
    start: int
    rows: pl.DataFrame
    is_plain: bool
    """Whether it is of CSV that was not read as declared, so that marks in its numbers may mean something else."""


@dataclass(frozen=True)
class RowFiles:
    """The files, in the order of their names. `written` is how the use case declares that its own are written."""

    path: Path
    files: tuple[Path, ...]
    written: Format
    tables: Mapping[Path, pl.DataFrame]
    """Those of the files that are read as declared."""

    @classmethod
    def at(cls, path: Path, written: Format, outputs: Collection[Path] = ()) -> RowFiles:
        """The file, or those of the folder, but for `outputs`: they may be written into it.

        Raises DataError if nothing is there, ConfigError if it is of no kind that can be read.
        """
        if not path.exists():
            raise DataError(f"{path} is not there. Name a CSV or Parquet file, or a folder of them.")
        if path.is_dir():
            own = {output.resolve() for output in outputs}
            there = (file for file in path.iterdir() if file.resolve() not in own)
            files = sorted(file for file in there if is_table(file) and file.is_file())
            if not files:
                pictures = any(_is_named_as_picture(file) for file in path.rglob("*"))
                raise DataError(
                    f"{path} has no file that ends in {', '.join(SUFFIXES)}.{OF_PICTURES if pictures else ''}"
                )
            return cls(path, tuple(files), written, {})
        if not is_table(path):
            remedy = OF_PICTURES if _is_named_as_picture(path) else ""
            raise ConfigError(f"{path} can't be scored: its name must end in {', '.join(SUFFIXES)}.{remedy}")
        return cls(path, (path,), written, {})

    def identity(self) -> list[list[str | int]]:
        """What tells whether its parts are still what they were: how it is cut; name, bytes and time of each file."""
        told: list[list[str | int]] = [[PART_BYTES, *PART_ROWS]]
        for file in self.files:
            stat = file.stat()
            told.append([file.name, stat.st_size, stat.st_mtime_ns])
        return told

    def fitted(self, fields: Sequence[InputField]) -> RowFiles:
        """The same, with the files read as declared in which plain reading does not find the model's inputs."""
        declared = [file for file in self.files if self._is_as_declared(file, fields)]
        return replace(self, tables={file: read_table(file, str(file), self.written) for file in declared})

    def _is_as_declared(self, file: Path, fields: Sequence[InputField]) -> bool:
        kind = kind_of_table(file)
        if kind == "workbook" or _suffix(file) == ".gz":
            return True
        if kind == "parquet" or replace(self.written, missing={}) == Format():
            return False
        separator = "," if _suffix(file) == ".tsv" and self.written.separator == "\t" else self.written.separator
        if replace(self.written, missing={}, separator=separator, decimal=".", thousands="") == Format():
            # Only its numbers are written in another way, which its columns do not show.
            return True
        if self.written.encoding != "utf-8" and not _is_utf8(file):
            return True
        try:
            there = set(self._columns(file))
        except DataError:
            return True
        return bool(_lacking(there, fields)) or _has_none(there, fields)

    def columns(self) -> list[str]:
        """The columns of all files. Raises DataError if one can't be read, or has a column twice."""
        return list(dict.fromkeys(name for file in self.files for name in self._columns(file)))

    def check(self, fields: Sequence[InputField]) -> None:
        """Raise DataError, naming the file, if a column is missing that the model needs."""
        for file in self.files:
            there = set(self._columns(file))
            # Each of them may be missing, but not all: then the file is another, or written in another way.
            lacking = [field.name for field in fields] if _has_none(there, fields) else _lacking(there, fields)
            if lacking:
                pictures = any(field.photo and field.name in lacking for field in fields)
                raise DataError(
                    f"{file} lacks the column{'s' if len(lacking) > 1 else ''} {listed(lacking)}. The model's inputs: "
                    f"{listed([field.name for field in fields], 30)}; the file's columns: {listed(sorted(there), 30)}."
                    f"{OF_PICTURES if pictures else ''}"
                )

    def parts(self, fields: Sequence[InputField]) -> Iterator[Part]:
        """All rows, so many at a time. They are cut in the same places each time."""
        size = rows_of_a_part(fields)
        for number, file in enumerate(self.files):
            for place, rows in enumerate(_read(file, self._scanned(file), size)):
                if file not in self.tables:
                    rows = rows.select(without(as_text(column), self.written) for column in rows)
                is_plain = file not in self.tables and _suffix(file) != ".parquet"
                name = f"{number:05d}-{place:07d}"
                yield Part(name, file, place * size + 1, with_lists(rows, fields), is_plain)

    def _scanned(self, file: Path) -> pl.LazyFrame:
        if file in self.tables:
            return self.tables[file].lazy()
        if _suffix(file) == ".parquet":
            return pl.scan_parquet(file)
        # As text: what a column holds further down is not known yet.
        return pl.scan_csv(
            file, separator="\t" if _suffix(file) == ".tsv" else ",", infer_schema=False, low_memory=True
        )

    def _columns(self, file: Path) -> list[str]:
        try:
            return self._scanned(file).collect_schema().names()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _unreadable(file, error) from error


def written_of(use_case: str) -> Format:
    """How the use case declares that its files are written. Where it is not known, as in an image: plainly."""
    return find_use_case(use_case).source.written if use_case in use_case_names() else Format()


def _is_named_as_picture(file: Path) -> bool:
    return _suffix(file) in PICTURES


def _lacking(there: set[str], fields: Sequence[InputField]) -> list[str]:
    """The inputs that the model needs and that are in none of the columns."""
    return [
        field.name
        for field in fields
        if not (
            field.nullable or field.name in there or (field.kind == "image" and there.issuperset(_own_columns(field)))
        )
    ]


def _has_none(there: set[str], fields: Sequence[InputField]) -> bool:
    """Whether no column has to do with any of the inputs."""
    return there.isdisjoint(name for field in fields for name in (field.name, *_own_columns(field)))


def rows_of_a_part(fields: Sequence[InputField]) -> int:
    low, high = PART_ROWS
    return max(low, min(high, PART_BYTES // (4 * sum(field.width for field in fields))))


def _read(file: Path, scanned: pl.LazyFrame, size: int) -> Iterator[pl.DataFrame]:
    """The rows in parts of exactly that size, but for the last."""
    waiting: list[pl.DataFrame] = []
    count = 0
    try:
        for batch in scanned.collect_batches(chunk_size=size, maintain_order=True):
            waiting.append(batch)
            count += len(batch)
            if count >= size:
                rows = pl.concat(waiting)
                for at in range(0, count - size + 1, size):
                    yield rows[at : at + size]
                waiting = [rows[count - count % size :]]
                count %= size
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(file, error) from error
    if count:
        yield pl.concat(waiting)


def _is_utf8(file: Path) -> bool:
    with file.open(encoding="utf-8") as stream:
        try:
            # A part at a time: if it is, the file may be larger than memory.
            while stream.read(PART_BYTES):
                pass
        except UnicodeDecodeError:
            return False
    return True


def _unreadable(file: Path, error: Exception) -> DataError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    kind = "Parquet" if _suffix(file) == ".parquet" else "CSV in UTF-8, with a header"
    return DataError(f"{file} can't be read as {kind} ({reason}). Check the file, or fetch it again.")


def _suffix(file: Path) -> str:
    return file.suffix.lower()


def _own_columns(field: InputField) -> list[str]:
    """The columns of an image whose values have one each."""
    return [f"{field.name}_{place}" for place in range(field.width)] if field.kind == "image" else []


def with_lists(rows: pl.DataFrame, fields: Sequence[InputField]) -> pl.DataFrame:
    """The rows with each image as a list: CSV has it as JSON, or each value in a column of its own."""
    for field in fields:
        if field.kind != "image":
            continue
        own = _own_columns(field)
        if field.name not in rows.columns and set(own) <= set(rows.columns):
            values = pl.concat_list(pl.col(name).cast(pl.Float32, strict=False) for name in own)
            rows = rows.with_columns(values.alias(field.name)).drop(own)
        elif rows.schema.get(field.name) == pl.String:
            rows = rows.with_columns(_decoded(rows[field.name]).alias(field.name))
    return rows


def _decoded(texts: pl.Series) -> pl.Series:
    """Lists of numbers of JSON; what is none becomes null."""
    try:
        return texts.str.json_decode(pl.List(pl.Float32))
    except pl.exceptions.PolarsError:
        return pl.Series([_numbers(text) for text in texts], dtype=pl.List(pl.Float32))


def _numbers(text: str | None) -> list[float] | None:
    try:
        return [float(value) for value in json.loads(text or "")]
    except (ValueError, TypeError, RecursionError):
        return None
