"""Rows of a file of whatever size, read as the use case will read them: how a CSV file was written is found out."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from portfolio.bundle.rows import twice
from portfolio.contract.csv_file import (
    AFTER,
    BEFORE,
    BYTE_ORDER_MARKS,
    CURRENCIES,
    END_CHARACTERS,
    OTHER_ENCODINGS,
    SPACES,
    Format,
    check_end,
    ends_in_note,
    header,
    not_blank,
    plain_numbers,
    typed,
)
from portfolio.contract.csv_file import unpacked as unpacked_bytes
from portfolio.contract.tables import cells_of, kind_of_table, read_table, sheets_of
from portfolio.core.errors import SourceError
from portfolio.profiling.layout import Layout, is_number, layout, rows_of_notes

if TYPE_CHECKING:
    import polars as pl

SAMPLE_ROWS = 100_000
LARGE_BYTES = 48 * 2**20
"""A file that is larger is not read at once: its rows are streamed."""
LOOKED_AT_BYTES = 256 * 1024
SEPARATORS = (",", "\t", ";", "|")
MAX_COLUMNS = 2_000
MIN_TABLE_ROWS = 20
"""A sheet of fewer rows is a cover, a legend, or a list of codes, where there are others."""
OFTEN = 2
MEASURED = rf"^{BEFORE}([+-]?\d[\d.,]*(?: \d{{3}})*(?:,\d+)?){AFTER}$"
JAPANESE = ("cp932", "euc_jp")
HALF_WIDTH_WORD = re.compile(r"(?<![A-Za-z])[\uff66-\uff9f]{2,}(?![A-Za-z])")
"""As people write them in half-width kana; accented capitals that come out as such stand among other letters."""
WRONG_BYTES = re.compile("[\udc80-\udcff]")
RIGHT_BYTES = 10
"""So many characters beyond ASCII for each wrong byte, at least, where a file is UTF-8."""


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
        return _small(path, _of_workbook(path, columns))
    if kind == "parquet":
        return _large_parquet(path) if large else _small(path, Format())
    written = _written(path, columns)
    plain = not (written.skip_rows or written.skip_footer or written.columns) and written.encoding == "utf-8"
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


def _written(path: Path, columns: Sequence[str]) -> Format:
    """How a CSV file was written, as far as its beginning and its end tell. `columns` are its names, if it has none."""
    head, encoding = _head(path)
    text = _decoded(head, encoding)
    lines = text.splitlines()
    # The last one may be cut off.
    lines = (lines[:-1] if len(head) >= LOOKED_AT_BYTES else lines)[:1000]
    separator = "\t" if path.name.lower().removesuffix(".gz").endswith(".tsv") else _separator(lines)
    rows = _rows(lines, separator)
    _check_spaces(path, rows)
    # A line break within quotes: lines are not rows.
    place = layout(rows[:200]) if len(rows) == len(lines) else Layout()
    if columns:
        place = replace(place, columns=tuple(columns))
    found = _rows(lines[place.skip_rows :], separator)
    if not place.columns:
        _check_header(path, found, place.skip_rows)
    footer = _lines_after(path, encoding, separator, len(found[0]) if found else 0)
    values = itertools.chain.from_iterable(found if place.columns else found[1:])
    decimal, thousands = _marks(list(values), separator)
    return Format(encoding, separator, decimal, thousands, place.skip_rows, footer, columns=place.columns)


def _of_workbook(path: Path, columns: Sequence[str]) -> Format:
    """Which of its sheets has the table, and where in it the names stand."""
    sheets = sheets_of(path, str(path))
    sheet, rows = _sheet_of_rows(path, sheets)
    place = layout(rows[:200])
    width = max((len(row) for row in rows), default=0)
    named = tuple(columns) or place.columns
    filled = [row for row in rows[place.skip_rows :] if any(row)]
    if filled and not named:
        _check_header(path, filled, place.skip_rows)
        # A library renames the second one.
        if again := twice(name for name in filled[0] if name):
            raise SourceError(
                f"{path}, row {place.skip_rows + 1}, names the column '{again}' twice. Give each column a name of its "
                "own."
            )
    footer = rows_of_notes([row for row in rows if any(row)], width)
    return Format(skip_rows=place.skip_rows, skip_footer=footer, columns=named, sheet=sheet if len(sheets) > 1 else "")


def _sheet_of_rows(path: Path, sheets: list[str]) -> tuple[str, list[list[str]]]:
    """The first sheet of some size, or else the first that is not empty, with its cells."""
    found: tuple[str, list[list[str]]] = sheets[0], []
    for sheet in sheets:
        rows = cells_of(path, sheet)
        width = max((len(row) for row in rows), default=0)
        if width > 1 and len(rows) - layout(rows[:200]).skip_rows > MIN_TABLE_ROWS:
            return sheet, rows
        if rows and not found[1]:
            found = sheet, rows
    return found


def _head(path: Path) -> tuple[bytes, str]:
    """The beginning of the file, and its encoding: UTF-8 if all of it is that, else the first that fits."""
    whole = path.name.endswith(".gz") or path.stat().st_size <= LARGE_BYTES
    if whole:
        raw = unpacked_bytes(path, str(path))
    else:
        with path.open("rb") as stream:
            raw = stream.read(LOOKED_AT_BYTES)
    marked = [encoding for mark, encoding in BYTE_ORDER_MARKS.items() if raw.startswith(mark)]
    if marked:
        return raw[:LOOKED_AT_BYTES], "utf-8" if marked[0] == "utf-8-sig" else marked[0]
    for encoding in ("utf-8", *OTHER_ENCODINGS) if b"\0" not in raw[:1024] else _without_mark(raw[:1024]):
        if _decodes(iter([raw]) if whole else _parts(path), encoding) and (
            encoding not in JAPANESE or _is_japanese(raw, encoding)
        ):
            return raw[:LOOKED_AT_BYTES], encoding
        if encoding == "utf-8":
            _check_damage(path, iter([raw]) if whole else _parts(path))
    raise SourceError(f"{path} is not text in any of the usual encodings. If it is a table, save it as UTF-8.")


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


def _check_damage(path: Path, parts: Iterator[bytes]) -> None:
    """Raise SourceError for UTF-8 of which a few bytes are wrong: in any other encoding all of it would be."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    right = wrong = lines = line = 0
    for part in itertools.chain(parts, [b""]):
        text = decoder.decode(part, final=not part)
        strange = WRONG_BYTES.findall(text)
        if strange and not line:
            line = lines + text[: text.index(strange[0])].count("\n") + 1
        lines += text.count("\n")
        wrong += len(strange)
        right += len(text) - len(text.encode("ascii", "ignore")) - len(strange)
    if right >= RIGHT_BYTES * wrong:
        raise SourceError(
            f"{path}, line {line}: the file is UTF-8, but bytes of a character are missing or wrong here; it was cut "
            "off or damaged. Fetch it again, or correct that line."
        )


def _is_japanese(raw: bytes, encoding: str) -> bool:
    """Whether it reads as Japanese: accented letters of another encoding come out as half-width or rare characters."""
    text = _decoded(raw[:LOOKED_AT_BYTES], encoding)
    strange = [character for character in text if character > "\x7f"]
    first_bytes = [character.encode("cp932", "replace")[0] for character in strange]
    usual = sum(byte < 0xA0 for byte in first_bytes)
    if encoding == "euc_jp":
        # Half-width kana of cp932 come out as kanji, also as those of the second level, which few words have.
        second = sum(character.encode(encoding, "replace")[0] >= 0xD0 for character in strange)
        return usual >= len(strange) / 2 and second < len(strange) / 5
    half_width = sum(len(word) for word in HALF_WIDTH_WORD.findall(text))
    return usual >= len(strange) / 2 or (usual + half_width > 0.9 * len(strange) and not _is_euc(raw))


def _is_euc(raw: bytes) -> bool:
    try:
        return _is_japanese(raw, "euc_jp")
    except UnicodeDecodeError:
        return False


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


def _lines_after(path: Path, encoding: str, separator: str, width: int) -> int:
    """How many lines stand after the last row: notes."""
    if width < 2 or path.name.endswith(".gz"):
        return 0
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 16_384))
        tail = stream.read().decode(encoding, errors="replace").splitlines(keepends=True)[-20:]
    if not ends_in_note("".join(tail[-1:])):
        return 0
    return rows_of_notes(_rows([line.rstrip("\r\n") for line in tail], separator), width)


def _check_spaces(path: Path, rows: list[list[str]]) -> None:
    """Raise SourceError where nothing but spaces divides the columns: lines of as many values each, mostly numbers."""
    if any(len(row) > 1 for row in rows):
        return
    cells = [row[0].split() for row in rows if row]
    values = list(itertools.chain.from_iterable(cells[1:]))
    widths = {len(row) for row in cells}
    if len(cells) > 2 and len(widths) == 1 and max(widths) > 1 and sum(map(is_number, values)) >= len(values) / 2:
        raise SourceError(
            f"{path} has spaces between its columns. Write commas there: "
            f"sed -E 's/^ +| +$//g; s/ +/,/g' {shlex.quote(str(path))} > NEW.csv"
        )


def _check_header(path: Path, rows: list[list[str]], skip_rows: int) -> None:
    """Raise SourceError where the first row looks like data: numbers above numbers, or what comes again below."""
    if len(rows) < 2:
        return
    # A year is a good name for a column.
    values = [
        name
        for name, value in zip(rows[0], rows[1], strict=False)
        if is_number(name) and is_number(value) and not (name.isdigit() and 1900 <= int(name) <= 2100)
    ]
    # Where files were put together, a whole line of names may come again.
    below = [row for row in rows[1:] if row != rows[0]]
    values += [
        name
        for place, name in enumerate(rows[0])
        if name.strip() and sum(row[place] == name for row in below if len(row) > place) >= OFTEN
    ]
    if values:
        raise SourceError(
            f"{path}, line {skip_rows + 1}, should have the names of the columns, but has values such as "
            f"'{values[0]}'. Say what the {len(rows[0])} columns are called, in their order: --columns first,second,..."
        )


def _marks(values: list[str], separator: str) -> tuple[str, str]:
    """The decimal mark, and what stands between thousands."""
    import polars as pl

    cells = pl.Series(values, dtype=pl.String).str.strip_chars().str.replace_all(SPACES, " ")
    numbers = cells.str.replace(MEASURED, "$1")

    def count(pattern: str, column: pl.Series = numbers) -> int:
        return int(column.str.contains(pattern).sum())

    groups = {
        # Commas between thousands are understood of what has a unit, without being declared.
        mark: count(rf"^[+-]?\d{{1,3}}({pattern}\d{{3}})+({other}\d+)?$", cells if mark in ",'" else numbers)
        for mark, pattern, other in ((",", ",", r"\."), (".", r"\.", ","), ("'", "'", r"\."), (" ", " ", "[.,]"))
    }
    commas = count(r"^[+-]?\d*,\d+$")
    only_decimal = count(r"^[+-]?(\d{4,},\d+|\d+,(\d{1,2}|\d{4,})|0,\d+)$") + count(r"^[+-]?\d{1,3}(\.\d{3})+,\d+$")
    points = count(r"^[+-]?\d*\.\d+$")
    only_points = count(r"^[+-]?(\d{4,}\.\d+|\d*\.(\d{1,2}|\d{4,})|0\.\d+)$")
    # In a file with commas between columns, they stand in quotation marks, as those in lists and between thousands do.
    lists = count(r"^\d+(,\d+){2,}$")
    unsure = separator == "," and (only_points or groups[","] or lists)
    decimal = "," if commas and only_decimal and not unsure else "."
    if decimal == ",":
        thousands = "." if groups["."] and not only_points else (" " if groups[" "] else "")
    else:
        thousands = next((mark for mark in (",", "'", " ") if groups[mark]), "")
        if groups["."] > 1 and not only_points and (points == 0 or _are_grouped(cells, numbers)):
            thousands = "."
            decimal = ","
    return decimal, thousands


def _are_grouped(cells: pl.Series, numbers: pl.Series) -> bool:
    """Whether 1.200 with its unit is a thousand and more: beside 850, or as a price, which has no three decimals."""
    with_unit = cells != numbers
    grouped = numbers.str.contains(r"^[+-]?\d{1,3}(\.\d{3})+$")
    bare = grouped & ~with_unit
    whole = with_unit & numbers.str.contains(r"^[+-]?\d{1,3}$")
    price = with_unit & grouped & cells.str.contains(f"[¥\uffe5$€£円]|{CURRENCIES}")
    # Without a unit, it has decimals.
    return bool((with_unit & grouped).any() and not bare.any() and (whole.any() or price.any()))


def line_of(found: Sample, column: str, value: str) -> int:
    """The first line of the file that has this value in the column; 0 if it is not a file of lines."""
    if not found.path.is_file() or kind_of_table(found.path) != "csv":
        return 0
    place, text = (
        found.rows.columns.index(column),
        _decoded(unpacked_bytes(found.path, str(found.path)), found.written.encoding),
    )
    lines = csv.reader(io.StringIO(text), delimiter=found.written.separator)
    return next((lines.line_num for row in lines if len(row) > place and row[place].strip() == value), 0)


def with_missing(written: Format, missing: dict[str, tuple[str, ...]]) -> Format:
    return replace(written, missing=missing)
