"""A file with a table in it, whatever program wrote it: CSV, Parquet or a workbook."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from portfolio.contract.csv_file import Format, read_csv, without
from portfolio.core.errors import SourceError

if TYPE_CHECKING:
    import polars as pl

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".xlsx", ".xls")
"""What the names of tables end in; a CSV file may be packed, and end in .gz."""


def is_table(path: Path) -> bool:
    """Whether the file's name ends as those of tables do."""
    return path.name.lower().removesuffix(".gz").endswith(SUFFIXES)


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
        # Of every row: a column whose first thousand cells are numbers may have text further down.
        table = pl.read_parquet(path) if kind == "parquet" else pl.read_excel(path, infer_schema_length=None)
    except Exception as error:  # polars' own, pyo3's, fastexcel's
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError(
            f"{where} can't be read as a {kind} ({reason[:200]}). It is cut off: fetch it again."
        ) from error
    if not table.columns:
        raise SourceError(f"{where} has no columns. Check the file; of a workbook, the first sheet is read.")
    return table.select(without(column, written) for column in table)
