"""Rows of a file of whatever size, read as the use case will read them: how a CSV file was written is found out."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from portfolio.contract.csv_file import (
    BYTE_ORDER_MARKS,
    END_CHARACTERS,
    FULL_WIDTH,
    OTHER_ENCODINGS,
    Format,
    check_end,
    header,
    plain_numbers,
    typed,
)
from portfolio.contract.csv_file import unpacked as unpacked_bytes
from portfolio.contract.tables import kind_of_table, read_table
from portfolio.core.errors import SourceError

if TYPE_CHECKING:
    import polars as pl

SAMPLE_ROWS = 100_000
LARGE_BYTES = 48 * 2**20
"""A file that is larger is not read at once: its rows are streamed."""
LOOKED_AT_BYTES = 256 * 1024
SEPARATORS = (",", "\t", ";", "|")
MAX_COLUMNS = 2_000
JAPANESE = ("cp932", "euc_jp")


@dataclass(frozen=True)
class Sample:
    """`rows` are all rows, or every so-manieth of `total`. `lazy` has all of them, as texts in a large CSV file."""

    path: Path
    written: Format
    rows: pl.DataFrame
    total: int
    lazy: pl.LazyFrame

    @property
    def whole(self) -> bool:
        return len(self.rows) == self.total


def sample(path: Path) -> Sample:
    """Read the file at `path`, or as much of it as is needed. Raises SourceError with the reason and the remedy."""
    where = str(path)
    if not path.is_file():
        raise SourceError(f"{where} is not there. Check its path.")
    if path.stat().st_size == 0:
        raise SourceError(f"{where} is empty: it has neither the names of columns nor rows.")
    large = path.stat().st_size > LARGE_BYTES
    kind = kind_of_table(path)
    if kind != "csv":
        return _large_parquet(path) if large and kind == "parquet" else _small(path, Format())
    written = _written(path)
    plain = not (written.skip_rows or written.skip_footer) and written.encoding == "utf-8"
    if large and plain and not path.name.endswith(".gz"):
        return _large_csv(path, written)
    return _small(path, written)


def _small(path: Path, written: Format) -> Sample:
    rows = read_table(path, str(path), written)
    check_rows(rows, str(path))
    return Sample(path, written, rows, len(rows), rows.lazy())


def _large_csv(path: Path, written: Format) -> Sample:
    import polars as pl

    where = str(path)
    with path.open("rb") as stream:
        columns = header(_decoded(stream.read(LOOKED_AT_BYTES), written.encoding), where, written)
        stream.seek(max(0, path.stat().st_size - END_CHARACTERS))
        check_end(stream.read().decode(errors="replace"), len(columns), where, written.separator)
    try:
        lazy = pl.scan_csv(path, separator=written.separator, infer_schema=False, new_columns=columns)
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
    )
    numbers = [plain_numbers(pl.col(name), written) for name in columns if name not in plain]
    return Sample(path, written, rows, total, lazy.with_columns(numbers))


def _large_parquet(path: Path) -> Sample:
    import polars as pl

    try:
        lazy = pl.scan_parquet(path)
        total = lazy.select(pl.len()).collect().item()
        rows = lazy.gather_every(max(1, total // SAMPLE_ROWS)).collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{path} can't be read ({str(error).splitlines()[0]}). Fetch it again.") from error
    check_rows(rows, str(path))
    return Sample(path, Format(), rows, total, lazy)


def check_rows(rows: pl.DataFrame, where: str) -> None:
    """Raise SourceError for a table without rows, with far too many columns, or with a column that has no name."""
    if rows.is_empty():
        raise SourceError(f"{where} has the names of columns, and no rows.")
    if len(rows.columns) > MAX_COLUMNS:
        raise SourceError(
            f"{where} has {len(rows.columns):,} columns; up to {MAX_COLUMNS:,} are declared one by one. Choose those "
            "that are known when a prediction is needed, or write the pictures or signals as one list a row."
        )


def _written(path: Path) -> Format:
    """How a CSV file was written, as far as its beginning and its end tell."""
    head, encoding = _head(path)
    text = _decoded(head, encoding)
    lines = text.splitlines()
    # The last one may be cut off.
    lines = (lines[:-1] if len(head) >= LOOKED_AT_BYTES else lines)[:1000]
    separator = "\t" if path.name.lower().removesuffix(".gz").endswith(".tsv") else _separator(lines)
    skip_rows = _lines_before(lines, separator)
    found = _rows(lines[skip_rows:], separator)
    _check_header(path, found, skip_rows)
    footer = _lines_after(path, encoding, separator, len(found[0]) if found else 0)
    decimal, thousands = _marks(list(itertools.chain.from_iterable(found[1:])), separator)
    return Format(encoding, separator, decimal, thousands, skip_rows, footer)


def _head(path: Path) -> tuple[bytes, str]:
    """The beginning of the file, and its encoding: UTF-8 if all of it is that, else the first that fits."""
    if path.name.endswith(".gz") or path.stat().st_size <= LARGE_BYTES:
        raw = unpacked_bytes(path, str(path))
        parts: Iterator[bytes] = iter([raw])
    else:
        with path.open("rb") as stream:
            raw = stream.read(LOOKED_AT_BYTES)
        parts = _parts(path)
    marked = [encoding for mark, encoding in BYTE_ORDER_MARKS.items() if raw.startswith(mark)]
    if marked:
        return raw[:LOOKED_AT_BYTES], "utf-8" if marked[0] == "utf-8-sig" else marked[0]
    for encoding in ("utf-8", *OTHER_ENCODINGS) if b"\0" not in raw[:1024] else _without_mark(raw[:1024]):
        if _decodes(parts, encoding) and (encoding not in JAPANESE or _is_japanese(_decoded(raw, encoding))):
            return raw[:LOOKED_AT_BYTES], encoding
        parts = iter([raw]) if path.stat().st_size <= LARGE_BYTES else _parts(path)
    raise SourceError(f"{path} is no text in any of the usual encodings. If it is a table, save it as UTF-8.")


def _without_mark(head: bytes) -> tuple[str, ...]:
    """UTF-16 without a byte order mark: one byte of many a character is zero, always the same one of the two."""
    zeros = (head[::2].count(0), head[1::2].count(0))
    if max(zeros) < len(head) / 10 or min(zeros) > max(zeros) / 10:
        return ()
    return ("utf-16-be",) if zeros[0] > zeros[1] else ("utf-16-le",)


def _parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while part := stream.read(2**22):
            yield part


def _decodes(parts: Iterator[bytes], encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for part in parts:
            decoder.decode(part)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _is_japanese(text: str) -> bool:
    """Whether it reads as Japanese: accented letters of another encoding come out as half-width or rare characters."""
    strange = [character for character in text[:LOOKED_AT_BYTES] if character > "\x7f"]
    usual = [character for character in strange if character.encode("cp932", "replace")[0] < 0xA0]
    return len(usual) >= len(strange) / 2


def _decoded(head: bytes, encoding: str) -> str:
    return codecs.getincrementaldecoder(encoding)().decode(head).removeprefix("\ufeff")


def _separator(lines: list[str]) -> str:
    """The one that divides the most lines into the same number of fields, more than one."""
    scores = {}
    for separator in SEPARATORS:
        widths = Counter(len(row) for row in _rows(lines[:200], separator) if row)
        width, count = max(widths.items(), key=lambda item: item[1] if item[0] > 1 else 0, default=(1, 0))
        scores[separator] = (count if width > 1 else 0, width)
    best = max(SEPARATORS, key=lambda separator: scores[separator])
    return best if scores[best][0] else ","


def _rows(lines: list[str], separator: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO("\n".join(lines)), delimiter=separator))
    except csv.Error:
        return []


def _lines_before(lines: list[str], separator: str) -> int:
    """How many lines stand before the names of the columns: titles, which have fewer fields than the rows."""
    rows = _rows(lines[:200], separator)
    widths = Counter(len(row) for row in rows if len(row) > 1)
    if not widths or len(rows) != len(lines[:200]):  # a line break within quotes: lines are not rows
        return 0
    width = widths.most_common(1)[0][0]
    first = next((number for number, row in enumerate(rows) if len(row) >= width), 0)
    return first if first <= 20 else 0


def _lines_after(path: Path, encoding: str, separator: str, width: int) -> int:
    """How many lines stand after the last row: notes, with one field where the rows have more."""
    if width < 2 or path.name.endswith(".gz"):
        return 0
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 16_384))
        tail = stream.read().decode(encoding, errors="replace").splitlines()[-20:]
    notes = itertools.takewhile(lambda row: len(row) < 2, reversed(_rows(tail, separator)))
    return len(list(notes))


def _check_header(path: Path, rows: list[list[str]], skip_rows: int) -> None:
    """Raise SourceError where the first row looks like data: numbers where the rows below have numbers."""
    if len(rows) < 2:
        return
    # A year is a good name for a column.
    numbers = [
        place
        for place, (name, value) in enumerate(zip(rows[0], rows[1], strict=False))
        if _is_number(name) and _is_number(value) and not (name.isdigit() and 1900 <= int(name) <= 2100)
    ]
    if numbers:
        raise SourceError(
            f"{path}, line {skip_rows + 1}, should have the names of the columns, but has values such as "
            f"'{rows[0][numbers[0]]}'. Add a first line with a name for each of the {len(rows[0])} columns."
        )


def _is_number(text: str) -> bool:
    try:
        float(text.translate({ord(wide): plain for wide, plain in FULL_WIDTH.items()}).replace(",", "."))
    except ValueError:
        return False
    return True


def _marks(values: list[str], separator: str) -> tuple[str, str]:
    """The decimal mark, and what stands between thousands."""
    import polars as pl

    column = pl.Series(values, dtype=pl.String).str.strip_chars()

    def count(pattern: str) -> int:
        return int(column.str.contains(pattern).sum())

    groups = {
        mark: count(rf"^[+-]?\d{{1,3}}({pattern}\d{{3}})+({other}\d+)?$")
        for mark, pattern, other in ((",", ",", r"\."), (".", r"\.", ","), ("'", "'", r"\."), (" ", " ", "[.,]"))
    }
    commas = count(r"^[+-]?\d*,\d+$")
    only_decimal = count(r"^[+-]?(\d{4,},\d+|\d+,(\d{1,2}|\d{4,})|0,\d+)$") + count(r"^[+-]?\d{1,3}(\.\d{3})+,\d+$")
    decimal = "," if separator != "," and commas and only_decimal else "."
    points = count(r"^[+-]?\d*\.\d+$")
    only_points = count(r"^[+-]?(\d{4,}\.\d+|\d*\.(\d{1,2}|\d{4,})|0\.\d+)$")
    if decimal == ",":
        thousands = "." if groups["."] and not only_points else (" " if groups[" "] else "")
    else:
        thousands = next((mark for mark in (",", "'", " ") if groups[mark]), "")
        if groups["."] > 1 and not only_points and points == 0:
            thousands = "."
            decimal = ","
    return decimal, thousands


def with_missing(written: Format, missing: dict[str, tuple[str, ...]]) -> Format:
    return replace(written, missing=missing)
