"""A file with a table in it, whatever program wrote it: CSV, Parquet or a workbook."""

from __future__ import annotations

import logging
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from portfolio.contract.csv_file import read_csv, without
from portfolio.contract.format import Format
from portfolio.contract.notes import notes_at_end
from portfolio.core.errors import SourceError

if TYPE_CHECKING:
    import polars as pl

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".xlsx", ".xls")
"""What the names of tables end in; a CSV file may be packed, and end in .gz."""

NAMELESS = "__UNNAMED__"
"""What columns without a name are called while a workbook is read."""


def is_table(path: Path) -> bool:
    """Whether the file's name ends as those of tables do."""
    return path.name.lower().removesuffix(".gz").endswith(SUFFIXES)


def is_left_over(path: Path) -> bool:
    """Whether its name is one of those that programs give to what they leave beside a file, copied or open."""
    return path.name.startswith((".", "~"))


def kind_of_table(path: Path) -> Literal["csv", "parquet", "workbook"]:
    """By the file's first bytes: what was downloaded may have any name."""
    try:
        with path.open("rb") as stream:
            head = stream.read(8)
        if head.startswith(b"PAR1"):
            return "parquet"
        if head.startswith(b"PK\x03\x04") and "xl/workbook.xml" in zipfile.ZipFile(path).namelist():
            return "workbook"
        # The older kind, which other programs of that time share.
        if head.startswith(b"\xd0\xcf\x11\xe0") and path.suffix.lower() == ".xls":
            return "workbook"
    except (OSError, zipfile.BadZipFile):
        pass
    return "csv"


def read_table(path: Path, where: str, written: Format) -> pl.DataFrame:
    """The rows. `written` is how a CSV file was written; the other kinds say so themselves.

    Raises SourceError with what is wrong in `where`, and the remedy.
    """
    kind = kind_of_table(path)
    if kind == "csv":
        if path.name.lower().removesuffix(".gz").endswith(".tsv") and written.separator == ",":
            written = replace(written, separator="\t")
        return read_csv(path, where, written)
    import polars as pl

    try:
        table = pl.read_parquet(path) if kind == "parquet" else _of_workbook(path, where, written)
    except SourceError:
        raise
    except Exception as error:  # polars' own, pyo3's, fastexcel's
        raise _unreadable(where, kind, error) from error
    if not table.columns:
        raise SourceError(f"{where} has no columns. Check the file; of a workbook, the first sheet is read.")
    return table.select(without(as_text(column), written) for column in table)


def as_text(column: pl.Series) -> pl.Series:
    """The column as text, if it is stored as categories, or as bytes that are UTF-8; any other as it is.

    Some programs write the text in Parquet as bytes, and do not say that it is text.
    """
    import polars as pl

    if column.dtype not in (pl.Binary, pl.Categorical, pl.Enum):
        return column
    try:
        return column.cast(pl.String)
    except pl.exceptions.PolarsError:
        return column


def sheets_of(path: Path, where: str) -> list[str]:
    """The names of a workbook's sheets. Raises SourceError if it can't be read."""
    import fastexcel

    try:
        return list(fastexcel.read_excel(path).sheet_names)
    except Exception as error:  # pyo3's and fastexcel's
        raise _unreadable(where, "workbook", error) from error


def cells_of(path: Path, sheet: str) -> list[list[str]]:
    """All cells of a sheet as texts, row by row, also the empty ones."""
    import polars as pl

    try:
        table = pl.read_excel(
            path,
            sheet_name=sheet,
            has_header=False,
            infer_schema_length=0,
            # Blank rows at the beginning count, as they do where a row is named by its number.
            read_options={"skip_rows": 0},
            drop_empty_rows=False,
            drop_empty_cols=False,
        )
    except pl.exceptions.NoDataError:
        return []
    return [[cell or "" for cell in row] for row in table.rows()]


def _of_workbook(path: Path, where: str, written: Format) -> pl.DataFrame:
    import polars as pl

    # It warns of each column that is empty.
    logging.getLogger("fastexcel").setLevel(logging.ERROR)
    sheets = sheets_of(path, where)
    if written.sheet and written.sheet not in sheets:
        raise SourceError(
            f"{where} has no sheet '{written.sheet}'. There are: {', '.join(sheets)}. Give it that name, or correct "
            "sheet= in the use case."
        )
    skipped = {"skip_rows" if written.columns else "header_row": written.skip_rows} if written.skip_rows else {}
    sheet = written.sheet or sheets[0]
    try:
        table = pl.read_excel(
            path,
            sheet_name=sheet,
            has_header=not written.columns,
            read_options=skipped,
            # Of every row: a column whose first thousand cells are numbers may have text further down.
            infer_schema_length=None,
        )
    except pl.exceptions.NoDataError as error:
        raise SourceError(
            f"{where}: the sheet '{sheet}' is empty. Put the rows there, the names of the columns first; or name "
            "another sheet by sheet= in the use case."
        ) from error
    if written.columns:
        if len(table.columns) != len(written.columns):
            raise SourceError(
                f"{where} has {len(table.columns)} columns, and columns= names {len(written.columns)}. Name as many "
                "as there are."
            )
        table.columns = list(written.columns)
    nameless = [name for name in table.columns if name.startswith(NAMELESS)]
    if len(nameless) > 1:
        places = ", ".join(str(table.columns.index(name) + 1) for name in nameless)
        raise SourceError(f"{where}, row {written.skip_rows + 1}, has no names for the columns {places}. Add them.")
    table = table.rename({name: "" for name in nameless})
    end = [["" if cell is None else str(cell) for cell in row] for row in table.tail(written.skip_footer).rows()]
    return table.head(len(table) - notes_at_end(end, len(table.columns)))


def _unreadable(where: str, kind: str, error: Exception) -> SourceError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return SourceError(f"{where} can't be read as a {kind} ({reason[:200]}). It is cut off: fetch it again.")
