"""How a file was written: the encoding, the separator and the marks of a text file, and where the table is in it.

Of a workbook, in which of its sheets.
"""

from __future__ import annotations

import csv
import io
import itertools
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from portfolio.bundle.rows import twice
from portfolio.contract.format import Format
from portfolio.contract.notes import ends_in_note
from portfolio.contract.tables import cells_of, sheets_of
from portfolio.core.errors import SourceError
from portfolio.profiling.encoding import LOOKED_AT_BYTES, decoded, head
from portfolio.profiling.layout import Layout, check_names, is_number, layout, rows_of_notes
from portfolio.profiling.marks import guesses, marks

MOST_LINES = 1000
"""So many tell where the table is. What shows how its numbers are written may come later."""
SEPARATORS = (",", "\t", ";", "|")
MIN_TABLE_ROWS = 20
"""A sheet of fewer rows is a cover, a legend, or a list of codes, where there are others."""


def csv_format(path: Path, columns: Sequence[str], *, large: bool) -> tuple[Format, dict[str, str]]:
    """How a CSV file was written, as far as its beginning and its end tell; and by column, what of that is a guess.

    `columns` are its names, if it has none.
    """
    beginning, encoding = head(path, large=large)
    text = decoded(beginning, encoding)
    lines = text.splitlines()
    # The last one may be cut off.
    whole = lines[:-1] if len(beginning) >= LOOKED_AT_BYTES else lines
    lines = whole[:MOST_LINES]
    separator = "\t" if path.name.lower().removesuffix(".gz").endswith(".tsv") else _separator(lines)
    rows = _rows(lines, separator)
    _check_spaces(path, rows)
    # A line break within quotes: lines are not rows.
    place = layout(rows[:200]) if len(rows) == len(lines) else Layout()
    if columns:
        place = replace(place, columns=tuple(columns))
    found = _rows(lines[place.skip_rows :], separator)
    if not place.columns:
        check_names(path, found, place.skip_rows, rows[place.skip_rows - 1] if place.skip_rows else ())
    footer = _lines_after(path, encoding, separator, len(found[0]) if found else 0)
    names, body = (place.columns, found) if place.columns else (found[0] if found else [], found[1:])
    body += _rows(whole[MOST_LINES:], separator)
    values = dict(zip((name.strip() for name in names), itertools.zip_longest(*body, fillvalue=""), strict=False))
    decimal, thousands = marks(values, separator)
    guessed = guesses(values, separator, decimal, thousands)
    written = Format(encoding, separator, decimal, thousands, place.skip_rows, footer, columns=place.columns)
    return written, guessed


def workbook_format(path: Path, columns: Sequence[str]) -> Format:
    """Which of its sheets has the table, and where in it the names stand."""
    sheets = sheets_of(path, str(path))
    sheet, rows = _sheet_of_rows(path, sheets)
    place = layout(rows[:200])
    width = max((len(row) for row in rows), default=0)
    named = tuple(columns) or place.columns
    filled = [row for row in rows[place.skip_rows :] if any(row)]
    if filled and not named:
        check_names(path, filled, place.skip_rows)
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
    if not ends_in_note(tail, separator):
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
