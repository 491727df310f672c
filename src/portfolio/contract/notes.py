"""What comes after the rows of a table and is none of them: notes and totals."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

NOTE = re.compile(r"\s*([*※(\uff08]|注|出典|資料|備考|note|source)", re.IGNORECASE)
TOTAL = re.compile(r"\s*((grand |sub-?)?total|sum\b|[合総小累]?計)", re.IGNORECASE)
SENTENCE = re.compile(
    r".*[^\W\d_]+\s+[^\W\d_]+\s+\S|\s*[^\W\d_]+\s*[:\uff1a]\s*\S|.*[\u3040-\u30ff\u4e00-\u9fff]{8}|.*。\s*$"
)
LETTER = re.compile(r"[^\W\d_]")
NUMBER = re.compile(r"\s*[+-]?\d[\d.,]*\s*")


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


def ends_in_note(lines: Sequence[str], separator: str) -> bool:
    """Whether the last line of a file is whole: it has its line end, or reads as a note. Else it may be cut off.

    `lines` are the last ones, with their ends; the first of them may be the names, or a part of a line.
    """
    *before, last = lines or [""]
    if last.endswith(("\n", "\r")) or any(kind.match(last) for kind in (NOTE, TOTAL, SENTENCE)):
        return True
    # One word below another, without anything between columns: the file's end, not a row's.
    above = next((line for line in reversed(before[1:]) if line.strip()), separator)
    if separator not in last and separator not in above:
        return True
    first_cells = [line.partition(separator)[0] for line in before[1:] if separator in line]
    # Where rows begin with numbers, none begins with a word.
    return (
        bool(first_cells)
        and separator not in last
        and bool(LETTER.match(last))
        and not any(map(LETTER.search, first_cells))
    )
