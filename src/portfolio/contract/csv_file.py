"""A CSV file as a table, whatever program wrote it; an unreadable one is reported with the line and the remedy."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import shlex
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from portfolio.contract.format import Format
from portfolio.contract.notes import ends_in_note, notes_at_end
from portfolio.contract.numbers import typed
from portfolio.core.contents import kind_of
from portfolio.core.errors import SourceError

if TYPE_CHECKING:
    import polars as pl

SEPARATORS = {",": "','", ";": "';'", "\t": r"'\t'", "|": "'|'"}
# Of files that are not UTF-8, in the order in which they are tried for the remedy: the first two can fail.
OTHER_ENCODINGS = ("cp932", "euc_jp", "cp1252", "latin-1")
BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
END_CHARACTERS = 65_536


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
    if not ends_in_note(lines[-50:], written.separator):
        check_end(text[-END_CHARACTERS:], columns, where, written.separator)
    return "".join(lines[: len(lines) - notes_at_end(cells, columns)])


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
    if len(columns) > 3 and columns[0] == columns[-1] == "" and columns.count("") == 2:
        mark = written.separator
        raise SourceError(
            f"{where}, line {line}, begins and ends with {SEPARATORS.get(mark, repr(mark))}, which makes a column "
            "without a name on each side. Delete those, and lines of dashes: "
            f"sed -E '/^-+$/d; s/^[{mark}]|[{mark}][[:space:]]*$//g' {shlex.quote(where)} > NEW.csv"
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
            "delete that line; if it is a note, end its line."
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
                    f"{columns} columns: {written.separator.join(row)[:80]!r}. Correct it, or delete it if it is no "
                    "row. If all files have such lines before the names of the columns or after the last row, the use "
                    "case can skip them: skip_rows=1, skip_footer=1."
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
