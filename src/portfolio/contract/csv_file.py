"""A CSV file as a table, whatever program wrote it; an unreadable one is reported with the line and the remedy."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import itertools
import re
import shlex
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

# Pydantic reads those of typing from Python 3.12 on.
from typing_extensions import TypedDict

from portfolio.core.contents import kind_of
from portfolio.core.errors import ConfigError, SourceError

if TYPE_CHECKING:
    import polars as pl

SEPARATORS = {",": "','", ";": "';'", "\t": r"'\t'", "|": "'|'"}
# Of files that are not UTF-8, in the order in which they are tried for the remedy: the first two can fail.
OTHER_ENCODINGS = ("cp932", "euc_jp", "cp1252", "latin-1")
BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
INTEGER = r"^[+-]?\d+$"
END_CHARACTERS = 65_536
LEADING_ZERO = r"^[+-]?0\d"
CURRENCIES = "USD|EUR|GBP|JPY|CHF|CNY|INR|CAD|AUD"
BEFORE = rf"(?:[+-]?(?:[¥\uffe5$€£]|{CURRENCIES})\s*)?"
AFTER = r"(?:\s*[^\d\s.,:/+'-][^\d\s]{0,9})?"
"""The unit of a number, if it has one: prices are written in a country's own way too."""
DECIMAL_COMMA = rf"^({BEFORE}[+-]?\d*),(\d+{AFTER})$"
# What comes after the rows of a table, and is none of them.
NOTE = re.compile(r"\s*([*※(\uff08]|注|出典|資料|備考|note|source)", re.IGNORECASE)
TOTAL = re.compile(r"\s*((grand |sub-?)?total|sum\b|[合総小累]?計)", re.IGNORECASE)
SENTENCE = re.compile(r".*[^\W\d_]+\s+[^\W\d_]+\s+\S|\s*[^\W\d_]+\s*[:\uff1a]\s*\S|.*[\u3040-\u30ff\u4e00-\u9fff]{8}")
NUMBER = re.compile(r"\s*[+-]?\d[\d.,]*\s*")
SPACES = "[ \u00a0\u202f\u2009]"
"""Between thousands: those that keep a number in one line are written by programs."""
# Japanese input methods write these for 0 to 9, the point, the comma and the signs.
FULL_WIDTH = {chr(ord(plain) + 0xFEE0): plain for plain in "0123456789.,+-"}


class Written(TypedDict, total=False):
    """What a use case may say of how its CSV files were written."""

    encoding: str
    separator: str
    decimal: str
    thousands: str
    skip_rows: int
    skip_footer: int
    missing: Mapping[str, tuple[str, ...]]
    columns: Sequence[str]
    sheet: str


@dataclass(frozen=True)
class Format:
    """How a CSV file was written. Raises ConfigError for what can't be.

    `decimal` is the decimal mark, `thousands` what stands between groups of three digits. `skip_rows` lines stand
    before the names of the columns, and up to `skip_footer` lines after the last row: one there that reads as a row is
    one. `missing` has, by column, what stands for a missing value there, such as 999, beside what always does.
    `columns` names the columns of a file that does not do so itself; they come before the first row then. `sheet` names
    the sheet of a workbook, which else is the first one. Of a workbook, what comes before and after its rows, `columns`
    and `missing` count too.
    """

    encoding: str = "utf-8"
    separator: str = ","
    decimal: str = "."
    thousands: str = ""
    skip_rows: int = 0
    skip_footer: int = 0
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    columns: Sequence[str] = ()
    sheet: str = ""

    def __post_init__(self) -> None:
        try:
            codecs.lookup(self.encoding)
        except LookupError as error:
            raise ConfigError(
                f"There is no encoding '{self.encoding}'. Common ones are utf-8, utf-16, cp932, cp1252, latin-1."
            ) from error
        if len(self.separator) != 1:
            raise ConfigError(rf"separator={self.separator!r} must be one character, such as ';' or '\t'.")
        if self.decimal not in (".", ","):
            raise ConfigError(f"decimal={self.decimal!r} must be '.' or ','.")
        if self.thousands not in ("", ",", ".", " ", "'") or self.thousands == self.decimal:
            raise ConfigError(
                f"thousands={self.thousands!r} must be what stands between groups of three digits: ',', '.', ' ' or "
                '"\'", and not the decimal mark.'
            )
        for column, words in self.missing.items():
            if isinstance(words, str) or not all(isinstance(word, str) for word in words):
                raise ConfigError(f"missing: write the values of '{column}' as a list of texts, such as [\"999\"].")
        if self.skip_rows < 0 or self.skip_footer < 0:
            raise ConfigError("skip_rows and skip_footer are numbers of lines, and can't be negative.")
        twice = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twice:
            raise ConfigError(f"columns= has {', '.join(map(repr, twice))} twice. Each column needs a name of its own.")


def read_csv(path: Path, where: str, written: Format) -> pl.DataFrame:
    """The rows, without blank ones. A column whose every value is a number has numbers; any other has text. Empty
    cells are null.

    Numbers with leading zeros and integers of more than 64 bits name something, so they stay text. Full-width digits
    are digits. Raises SourceError with what is wrong in `where`, in which line, and the remedy.
    """
    import polars as pl

    text = _text(unpacked(path, where), where, written)
    if written.skip_rows:
        text = "".join(text.splitlines(keepends=True)[written.skip_rows :])
    columns = header(text, where, written)
    if written.skip_footer:
        text = _without_notes(text, len(columns), where, written)
    try:
        table = pl.read_csv(
            text.encode(),
            separator=written.separator,
            infer_schema=False,
            has_header=not written.columns,
            new_columns=columns,
        )
    except pl.exceptions.PolarsError as error:
        _check_fields(text, len(columns), where, written)
        reason = str(error).splitlines()[0]
        raise SourceError(f"{where} can't be read as a CSV file ({reason}). Check the file.") from error
    if table.is_empty() and len(text.splitlines()) > 1:
        raise SourceError(
            f"{where}, line {written.skip_rows + 1}: nothing closes a quotation mark, so that all that follows it is "
            "read as one value. Correct it."
        )
    if len(columns) > 1 and not table.filter(pl.all_horizontal(pl.exclude(table.columns[0]).is_null())).is_empty():
        # A file that ends within a value of many lines is told apart by its quotation mark.
        if text.count('"') % 2 == 0:
            check_end(text[-END_CHARACTERS:], len(columns), where, written.separator)
        _check_fields(text, len(columns), where, written)
    check_end(text[-END_CHARACTERS:], len(columns), where, written.separator)
    table = table.filter(not_blank())
    return table.select(typed(without(column, written), written) for column in table)


def _without_notes(text: str, columns: int, where: str, written: Format) -> str:
    """The text without its last lines, up to `skip_footer` of them and as long as they read as notes."""
    lines = text.splitlines(keepends=True)
    while lines and not lines[-1].strip(f"{written.separator} \r\n"):
        lines.pop()
    cells = [_cells(line, written.separator) for line in lines[-written.skip_footer :]]
    if not ends_in_note("".join(lines[-1:])):
        check_end(text[-END_CHARACTERS:], columns, where, written.separator)
    return "".join(lines[: len(lines) - notes_at_end(cells, columns)])


def notes_at_end(rows: Sequence[Sequence[str]], columns: int) -> int:
    """How many of the last rows, each with its cells, are notes or totals: not every file has as many as the first."""
    return len(list(itertools.takewhile(lambda row: not _reads_as_row(row, columns), reversed(rows))))


def _reads_as_row(cells: Sequence[str], columns: int) -> bool:
    first = cells[0] if cells else ""
    if splits_quotes(cells):
        return True
    if columns < 2 or not first.strip() or NOTE.match(first) or TOTAL.match(first):
        return False
    several = sum(bool(cell.strip()) for cell in cells) > 1
    return NUMBER.fullmatch(first) is not None or (several and len(cells) == columns)


def splits_quotes(cells: Sequence[str]) -> bool:
    """Whether these are the cells of a line that ends a value of several lines: its quotation mark opened before."""
    return sum(cell.count('"') for cell in cells) % 2 == 1


def ends_in_note(line: str) -> bool:
    """Whether the last line of a file is whole: it has its line end, or reads as a note. Else it may be cut off."""
    return line.endswith(("\n", "\r")) or any(kind.match(line) for kind in (NOTE, TOTAL, SENTENCE))


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []


def not_blank() -> pl.Expr:
    """Which rows of texts have something in them: blank lines, and those of separators alone, are no rows."""
    import polars as pl

    return pl.any_horizontal(pl.all().str.strip_chars() != "")


def unpacked(path: Path, where: str) -> bytes:
    """The file's bytes, out of gzip if they are in it."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise SourceError(f"{where} is missing. Put the file there, or correct path= in the use case.") from error
    except OSError as error:
        raise SourceError(f"{where} can't be read ({error.strerror}). Correct path= in the use case.") from error
    if raw.startswith(b"\x1f\x8b"):
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(f"{where} can't be unpacked ({error}). It is cut off: fetch it again.") from error
    if not raw.strip():
        raise SourceError(f"{where} is empty. Fetch it again, or put another file in its place.")
    kind = kind_of(raw)
    if kind:
        raise SourceError(f"{where} is no CSV file: it is {kind}.")
    return raw


def _text(raw: bytes, where: str, written: Format) -> str:
    """A byte order mark says how a file is encoded; without one, its declaration does."""
    marked = [encoding for mark, encoding in BYTE_ORDER_MARKS.items() if raw.startswith(mark)]
    if not marked:
        _check_not_utf8(raw, where, written)
    try:
        text = raw.decode(marked[0] if marked else written.encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        place = f"{where}, line {line}, is not encoded in {written.encoding} (byte 0x{raw[error.start]:02x})"
        if _is_utf8(written.encoding) and not raw[: error.start].isascii():
            raise SourceError(
                f"{place}, although what comes before is. It is damaged there: fetch it again, or correct that line."
            ) from error
        fitting = next(encoding for encoding in OTHER_ENCODINGS if _decodes(raw, encoding))
        raise SourceError(
            f'{place}, but may be in {fitting}. If all its files are, say so in the use case: encoding="{fitting}", '
            f"and compare the names and categories.{_conversion(raw, fitting, written, where)}"
        ) from error
    if "\0" in text[:1000]:
        raise SourceError(
            f"{where} has zero bytes, as UTF-16 has when it is read as {written.encoding}. Say how it is encoded in "
            'the use case: encoding="utf-16-le".'
        )
    # Old Macs ended lines so.
    return text if "\n" in text else text.replace("\r", "\n")


def _check_not_utf8(raw: bytes, where: str, written: Format) -> None:
    """Raise SourceError for UTF-8 that is declared as something else, as which its characters would be others."""
    # Hardly any text in another encoding happens to be valid UTF-8.
    if _is_utf8(written.encoding) or raw.isascii() or b"\0" in raw or not _decodes(raw, "utf-8"):
        return
    raise SourceError(
        f"{where} is encoded in UTF-8, but the use case says {written.encoding}. If all its files are UTF-8, leave out "
        f"encoding= in the use case.{_conversion(raw, 'utf-8', written, where)}"
    )


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def _conversion(raw: bytes, encoding: str, written: Format, where: str) -> str:
    """How to bring a file to the declared encoding; empty if that has not all its characters."""
    try:
        raw.decode(encoding).encode(written.encoding)
    except UnicodeEncodeError:
        return ""
    # Iconv knows them by Python's full names, with hyphens.
    before, after = (codecs.lookup(name).name.replace("_", "-") for name in (encoding, written.encoding))
    return f" Else convert this one: iconv -f {before} -t {after} {shlex.quote(where)} > NEW.csv"


def _decodes(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def header(text: str, where: str, written: Format) -> list[str]:
    """The columns' names, without the spaces around them. `text` begins with the line that has them."""
    try:
        columns = [name.strip() for name in next(csv.reader(io.StringIO(text), delimiter=written.separator), [])]
    except csv.Error as error:
        raise SourceError(f"{where}, line {written.skip_rows + 1}, can't be read ({error}). Check the file.") from error
    line = written.skip_rows + 1
    if written.columns:
        if len(columns) != len(written.columns):
            raise SourceError(
                f"{where}, line {line}, has {len(columns)} fields, and columns= names {len(written.columns)}: "
                f"{written.separator.join(columns)[:80]!r}. Name as many as there are."
            )
        return list(written.columns)
    others = [other for other in SEPARATORS if other != written.separator and other in (columns or [""])[0]]
    if len(columns) == 1 and others:
        raise SourceError(
            f"{where}, line {line}, has no {SEPARATORS.get(written.separator, repr(written.separator))} between "
            f"columns, but {SEPARATORS[others[0]]}: {columns[0][:80]!r}. If that separates them, say so in the use "
            f"case: separator={SEPARATORS[others[0]]}."
        )
    if columns.count("") > 1:
        places = [str(place) for place, name in enumerate(columns, start=1) if not name]
        raise SourceError(f"{where}, line {line}, has no names for the columns {', '.join(places)}. Add them.")
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise SourceError(
            f"{where}, line {line}, names the column {', '.join(map(repr, twice))} twice. Rename one of them; if the "
            "names stand in a later line, skip the lines before it, in the use case: skip_rows=1."
        )
    return columns


def check_end(text: str, columns: int, where: str, separator: str) -> None:
    """Raise SourceError if the file was cut off in its last line. `text` is its end."""
    if text.endswith(("\n", "\r")):
        return
    # The first one may be a part of a line. Programs that leave out empty cells at the end do so in other rows too.
    *before, last = [_width(line, separator) for line in text.splitlines()[-50:]][1:] or [columns]
    if last < columns and before and set(before) == {columns}:
        end = text.splitlines()[-1]
        raise SourceError(
            f"{where} was cut off: its last line has {last} of {columns} fields: {end[:80]!r}. Fetch it again, or "
            "delete that line."
        )


def _width(line: str, separator: str) -> int:
    """How many whole fields a line has."""
    fields = 0
    try:
        fields = len(next(csv.reader([line], delimiter=separator), []))
        next(csv.reader([line], delimiter=separator, strict=True), [])
    except csv.Error:
        return max(0, fields - 1)
    return fields


def _check_fields(text: str, columns: int, where: str, written: Format) -> None:
    """Raise SourceError for the first row with more fields than there are columns, or with a single one."""
    rows = csv.reader(io.StringIO(text), delimiter=written.separator, strict=True)
    begin = 1
    try:
        for row in rows:
            if len(row) > columns or (len(row) == 1 and columns > 1):
                raise SourceError(
                    f"{where}, line {written.skip_rows + rows.line_num}, has {len(row)} fields where there are "
                    f"{columns} columns: {written.separator.join(row)[:80]!r}. Correct it; lines before the names of "
                    "the columns and after the last row can be skipped in the use case: skip_rows=1, skip_footer=1."
                )
            begin = rows.line_num + 1
    except csv.Error as error:
        reason = "no quotation mark closes the one that it opens" if "end of data" in str(error) else str(error)
        raise SourceError(
            f"{where}, line {written.skip_rows + begin}: {reason}. Correct that line; if it is the last one, the file "
            "was cut off: fetch it again."
        ) from error


def without(column: pl.Series, written: Format) -> pl.Series:
    """The column, null where it has what stands for a missing value in it."""
    import polars as pl

    words = list(written.missing.get(column.name, ()))
    if not words:
        return column
    texts = column.cast(pl.String).str.strip_chars()
    # 999 stands for 999.0 too.
    codes = pl.Series(words).cast(pl.Float64, strict=False).drop_nulls()
    return column.set(texts.is_in(words) | texts.cast(pl.Float64, strict=False).is_in(codes).fill_null(False), None)


def typed(column: pl.Series, written: Format) -> pl.Series:
    """A column of texts as numbers, if every value is one; else as it is, but for how its numbers are written."""
    import polars as pl

    column = column.to_frame().select(plain_numbers(pl.col(column.name), written)).to_series()
    text = column.str.strip_chars().replace("", None)
    if text.null_count() == len(text) or text.str.contains(LEADING_ZERO).any():
        return column
    kind = pl.Int64 if text.str.contains(INTEGER).all() else pl.Float64
    numbers = text.cast(kind, strict=False)
    return column if numbers.null_count() > text.null_count() else numbers


def plain_numbers(text: pl.Expr, written: Format) -> pl.Expr:
    """The texts; numbers, with or without a unit, have ASCII digits, a point, and nothing between thousands."""
    import polars as pl

    wide = text.str.contains(f"^[{''.join(FULL_WIDTH)}]+$")
    text = pl.when(wide).then(text.str.replace_many(list(FULL_WIDTH), list(FULL_WIDTH.values()))).otherwise(text)
    if written.thousands:
        mark = SPACES if written.thousands == " " else re.escape(written.thousands)
        grouped = text.str.contains(
            rf"^\s*{BEFORE}[+-]?\d{{1,3}}({mark}\d{{3}})+({re.escape(written.decimal)}\d+)?{AFTER}\s*$"
        )
        text = pl.when(grouped).then(text.str.replace_all(rf"{mark}(\d{{3}})", "$1")).otherwise(text)
    if written.decimal == ",":
        text = text.str.replace(DECIMAL_COMMA, "$1.$2")
    return text
