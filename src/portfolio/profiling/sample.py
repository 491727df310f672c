"""Rows of a file of whatever size, read as the use case will read them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from portfolio.contract.csv_file import END_CHARACTERS, check_end, header, not_blank, unpacked
from portfolio.contract.format import Format
from portfolio.contract.numbers import plain_numbers, typed
from portfolio.contract.tables import kind_of_table, read_table
from portfolio.core.counted import counted
from portfolio.core.errors import SourceError
from portfolio.profiling.encoding import LOOKED_AT_BYTES, decoded
from portfolio.profiling.format import csv_format, workbook_format

if TYPE_CHECKING:
    import polars as pl

SAMPLE_ROWS = 100_000
LARGE_BYTES = 48 * 2**20
"""A file that is larger is not read at once: its rows are streamed."""
MAX_COLUMNS = 2_000


@dataclass(frozen=True)
class Sample:
    """`rows` are all rows, or every so-manieth of `total`. `lazy` has all of them, as texts in a large CSV file."""

    path: Path
    written: Format
    rows: pl.DataFrame
    total: int
    lazy: pl.LazyFrame
    unsure: Mapping[str, str] = field(default_factory=dict)
    """By column, how a number in it was read that may be another."""

    @property
    def whole(self) -> bool:
        return len(self.rows) == self.total


def sample(path: Path, columns: Sequence[str] = ()) -> Sample:
    """Read the file at `path`, or as much of it as is needed. `columns` names the columns of a file that does not.

    Raises SourceError with the reason and the remedy.
    """
    where = str(path)
    if not path.is_file():
        raise SourceError(f"{where} is not there. Check its path.")
    if path.stat().st_size == 0:
        raise SourceError(f"{where} is empty: it has neither the names of columns nor rows.")
    large = path.stat().st_size > LARGE_BYTES
    kind = kind_of_table(path)
    if kind == "workbook":
        return _small(path, workbook_format(path, columns))
    if kind == "parquet":
        return _large_parquet(path) if large else _small(path, Format())
    written, unsure = csv_format(path, columns, large=large)
    plain = not (written.skip_rows or written.skip_footer or written.columns) and written.encoding == "utf-8"
    if large and plain and not path.name.endswith(".gz"):
        return replace(_large_csv(path, written), unsure=unsure)
    return replace(_small(path, written), unsure=unsure)


def _small(path: Path, written: Format) -> Sample:
    rows = read_table(path, str(path), written)
    check_rows(rows, str(path))
    return Sample(path, written, rows, len(rows), rows.lazy())


def _large_csv(path: Path, written: Format) -> Sample:
    import polars as pl

    where = str(path)
    with path.open("rb") as stream:
        columns = header(decoded(stream.read(LOOKED_AT_BYTES), written.encoding), where, written)
        stream.seek(max(0, path.stat().st_size - END_CHARACTERS))
        check_end(stream.read().decode(errors="replace"), len(columns), where, written.separator)
    try:
        lazy = pl.scan_csv(path, separator=written.separator, infer_schema=False, new_columns=columns)
        lazy = lazy.filter(not_blank())
        total = lazy.select(pl.len()).collect(engine="streaming").item()
        texts = lazy.gather_every(max(1, total // SAMPLE_ROWS)).collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        # The slow way knows the line and the remedy.
        read_table(path, where, written)
        raise SourceError(f"{path} can't be read ({str(error).splitlines()[0]}).") from error
    rows = texts.select(typed(column, written) for column in texts)
    check_rows(rows, where)
    # Numbers that are written as everywhere are read as numbers at once, in a fraction of the time and the memory.
    plain = [
        name
        for name in columns
        if rows[name].dtype.is_numeric()
        and texts[name].cast(pl.Float64, strict=False).equals(rows[name].cast(pl.Float64))
    ]
    lazy = pl.scan_csv(
        path,
        separator=written.separator,
        new_columns=columns,
        schema_overrides={name: pl.Float64 if name in plain else pl.String for name in columns},
        ignore_errors=True,
    ).filter(~pl.all_horizontal(pl.all().is_null()))
    numbers = [plain_numbers(pl.col(name), written) for name in columns if name not in plain]
    return Sample(path, written, rows, total, lazy.with_columns(numbers))


def _large_parquet(path: Path) -> Sample:
    import polars as pl

    try:
        lazy = pl.scan_parquet(path)
        total = lazy.select(pl.len()).collect().item()
        lazy = lazy.with_columns(pl.col(_stored_texts(lazy)).cast(pl.String))
        rows = lazy.gather_every(max(1, total // SAMPLE_ROWS)).collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{path} can't be read ({str(error).splitlines()[0]}). Fetch it again.") from error
    check_rows(rows, str(path))
    return Sample(path, Format(), rows, total, lazy)


def _stored_texts(lazy: pl.LazyFrame) -> list[str]:
    """The columns that are stored as categories, or as bytes that are text in all rows."""
    import polars as pl

    texts = []
    for name, kind in lazy.collect_schema().items():
        if kind in (pl.Categorical, pl.Enum):
            texts.append(name)
        elif kind == pl.Binary:
            with suppress(pl.exceptions.ComputeError):
                lazy.select(pl.col(name).cast(pl.String).str.len_bytes().sum()).collect(engine="streaming")
                texts.append(name)
    return texts


def check_rows(rows: pl.DataFrame, where: str) -> None:
    """Raise SourceError for a table without rows, with far too many columns, or with a column that has no name."""
    if rows.is_empty():
        raise SourceError(f"{where} has the names of columns, and no rows.")
    if len(rows.columns) > MAX_COLUMNS:
        raise SourceError(
            f"{where} has {len(rows.columns):,} columns; up to {MAX_COLUMNS:,} are declared one by one. Choose those "
            "that are known when a prediction is needed, or write the pictures or signals as one list a row."
        )
    _check_names_come_once(rows, where)


def _check_names_come_once(rows: pl.DataFrame, where: str) -> None:
    import polars as pl

    if any(kind != pl.String for kind in rows.dtypes):
        return
    again = rows.filter(pl.all_horizontal(pl.col(name).str.strip_chars() == name.strip() for name in rows.columns))
    if len(again):
        raise SourceError(
            f"{where} has the names of its columns again in {counted(len(again), 'row')}, as where files were put "
            f"together. Delete {'it' if len(again) == 1 else 'them'}."
        )


def line_of(found: Sample, column: str, value: str) -> int:
    """The first line of the file that has this value in the column; 0 if it is not a file of lines."""
    if not found.path.is_file() or kind_of_table(found.path) != "csv":
        return 0
    place, text = (
        found.rows.columns.index(column),
        decoded(unpacked(found.path, str(found.path)), found.written.encoding),
    )
    lines = csv.reader(io.StringIO(text), delimiter=found.written.separator)
    return next((lines.line_num for row in lines if len(row) > place and row[place].strip() == value), 0)


def with_missing(written: Format, missing: dict[str, tuple[str, ...]]) -> Format:
    return replace(written, missing=missing)
