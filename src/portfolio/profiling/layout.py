"""Where in a table the names of the columns stand: titles come before them, notes after the rows."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from portfolio.contract.notes import NOTE, NUMBER, SENTENCE, TOTAL, splits_quotes
from portfolio.contract.numbers import FULL_WIDTH
from portfolio.core.cells import is_missing
from portfolio.core.errors import SourceError

MOST_TITLES = 20
MOST_NAMES = 3
"""So many rows of names may stand above each other, the upper ones over several columns."""
OFTEN = 2
COMMENT = re.compile(r"\s*#+\s*\w")
MEASURED = re.compile(r"[¥￥$€£]?\s*[+-]?\d[\d.,]*\s*\D{0,8}")
BRACKETED = re.compile(r"[(\[\uff08\uff3b].+[)\]\uff09\uff3d]")
UNIT = re.compile(r"[^\W\d_]|[%\u2030℃°]")
MOST_OF_A_UNIT = 12
"""Characters, where it is not in brackets."""
QUOTED_NOTE = re.compile(r"\s*[「『]")
END_OF_TOTAL = re.compile(r"s?\s*([:\uff1a(\uff08].*)?", re.IGNORECASE)

Cells = Sequence[str]


@dataclass(frozen=True)
class Layout:
    """`skip_rows` rows come before the names of the columns; where `columns` has those, before the first row.

    `columns` is empty unless the names stand in several rows, out of which they are put together.
    """

    skip_rows: int = 0
    columns: tuple[str, ...] = ()


def layout(rows: Sequence[Cells]) -> Layout:
    """By the first rows of a table, each with its cells."""
    widths = Counter(len(row) for row in rows if len(row) > 1)
    if not widths:
        return Layout()
    width = widths.most_common(1)[0][0]
    first = next(
        (number for number, row in enumerate(rows) if not (_is_title(row, width) or _is_comment(rows, number))), 0
    )
    first += _rows_above_a_blank_one(rows[first:])
    if first > MOST_TITLES:
        return Layout()
    count = _rows_of_names(rows[first:])
    begin = first + count
    names = tuple(name.strip() for name in rows[first]) if count == 1 else _put_together(rows[first:begin])
    if len(set(names)) == len(names) and _are_units(rows[begin:], len(names)):
        return Layout(begin + 1, names)
    return Layout(begin, names) if count > 1 else Layout(first)


def _rows_above_a_blank_one(rows: Sequence[Cells]) -> int:
    """How many rows are a title of a few cells and what is blank below it: names have no blank row among them."""
    blank = next((number for number, row in enumerate(rows[: MOST_NAMES + 1]) if not _filled(row)), 0)
    below = next((number for number, row in enumerate(rows) if number > blank and _filled(row)), 0)
    if not blank or not below or not all(map(_are_names, rows[: below + 1])):
        return 0
    return below if max(map(_filled, rows[:blank])) < _filled(rows[below]) else 0


def rows_of_notes(rows: Sequence[Cells], width: int) -> int:
    """How many of the last rows of a table of so many columns are notes, or blank and before notes."""
    ended = itertools.dropwhile(lambda row: not _filled(row), reversed(rows))
    return len(list(itertools.takewhile(lambda row: _is_note(row, width), ended)))


def check_names(path: Path, rows: Sequence[Cells], skip_rows: int, above: Cells = ()) -> None:
    """Raise SourceError where the first row looks like data: numbers above numbers, or what comes again below.

    `above` is the row before it, if there is one.
    """
    if len(rows) < 2:
        return
    # A year is a good name for a column.
    values = [
        name
        for name, value in zip(rows[0], rows[1], strict=False)
        if is_number(name) and is_number(value) and not _is_year(name)
    ]
    if values := values or _values_in_first_row(rows):
        if 1 < len(above) == len(rows[0]) - 1 and all(above) and not any(map(_is_measured, above)):
            raise SourceError(
                f"{path}, line {skip_rows}, names {len(above)} columns, and the rows below have {len(rows[0])}. "
                + _said_of_one_more(rows)
            )
        raise SourceError(
            f"{path}, line {skip_rows + 1}, should have the names of the columns, but has values such as "
            f"'{values[0]}'. Say what the {len(rows[0])} columns are called, in their order: --columns first,second,..."
        )


def _said_of_one_more(rows: Sequence[Cells]) -> str:
    """What to do where rows have one column more than there are names."""
    if not any(row[-1].strip() for row in rows if row):
        return "Nothing stands in the last one: delete the separator at the end of each row."
    return (
        "Write a name for the first one, and a separator, before the others. In R: write.csv, or write.table with "
        "col.names=NA."
    )


def _is_year(name: str) -> bool:
    return name.isdigit() and 1900 <= int(name) <= 2100


def _values_in_first_row(rows: Sequence[Cells]) -> list[str]:
    """What of the first row comes again and again below, if that is so much that the row has no names.

    A name above numbers is one. So is one that is all there is in its column, as a tick, and a few that may be answers:
    'y' above y and n.
    """
    # Where files were put together, a whole line of names may come again.
    below = [row for row in rows[1:] if row != rows[0]]
    named, again = 0, []
    for place, name in enumerate(rows[0]):
        values = _column(below, place)
        if is_missing(name) or set(values) == {name.strip()}:
            continue
        if not _is_measured(name) and _are_measured(values):
            return []
        named += 1
        if values.count(name.strip()) >= OFTEN:
            again.append(name)
    return again if 2 * len(again) >= named else []


def _column(rows: Sequence[Cells], place: int) -> list[str]:
    """What is filled of a column."""
    return [row[place].strip() for row in rows if len(row) > place and row[place].strip()]


def _are_measured(values: Sequence[str]) -> bool:
    return bool(values) and sum(map(_is_measured, values)) > 0.5 * len(values)


def _are_units(rows: Sequence[Cells], width: int) -> bool:
    """Whether the first row says in what unit the numbers below are: each of its cells is one, or is in brackets."""
    if len(rows) < 2 or len(rows[0]) != width:
        return False
    above_numbers = 0
    for place, cell in enumerate(map(str.strip, rows[0])):
        if not cell:
            continue
        below = _column(rows[1:], place)
        bracketed, numbers = BRACKETED.fullmatch(cell) is not None, _are_measured(below)
        bare = cell[1:-1].strip() if bracketed else cell
        if cell in below or is_missing(bare) or _is_measured(bare) or not UNIT.search(bare):
            return False
        if not bracketed and (not numbers or len(cell) > MOST_OF_A_UNIT):
            return False
        above_numbers += numbers
    return above_numbers > 0


def is_number(text: str) -> bool:
    try:
        float(text.translate({ord(wide): plain for wide, plain in FULL_WIDTH.items()}).replace(",", "."))
    except ValueError:
        return False
    return True


def _filled(row: Cells) -> int:
    return sum(bool(cell.strip()) for cell in row)


def _is_title(row: Cells, width: int) -> bool:
    # What a spreadsheet writes has a separator for every column, also behind a title.
    return len(row) < width or (width > 2 and _filled(row) < 2)


def _is_comment(rows: Sequence[Cells], number: int) -> bool:
    """Whether a row such as "# exported, by tool" stands above names: "# of rooms" may be one, above numbers."""
    below = [row for row in rows[number:] if not row or not COMMENT.match(row[0])][:2]
    names_and_row = len(below) == 2 and not any(map(_is_measured, below[0])) and any(map(_is_measured, below[1]))
    return COMMENT.match("".join(rows[number][:1])) is not None and names_and_row


def _is_note(row: Cells, width: int) -> bool:
    if splits_quotes(row):
        return False
    if len(row) < 2:
        # A number alone is what a row that was cut off begins with.
        return not any(map(NUMBER.fullmatch, row))
    if width > 2 and _filled(row) < 2:
        # A number without a word is a sum.
        kinds = [NOTE, SENTENCE, QUOTED_NOTE] if row[0].strip() else [NOTE, SENTENCE, QUOTED_NOTE, NUMBER]
        return not _filled(row) or any(kind.match(next(filter(str.strip, row))) for kind in kinds)
    return _is_total(row, width)


def _is_total(row: Cells, width: int) -> bool:
    """Whether it is the total of some columns, so that others are blank; a row of all may be of a place so called."""
    begin = TOTAL.match(row[0])
    sums = [cell for cell in row[1:] if cell.strip()]
    return (
        begin is not None
        and END_OF_TOTAL.fullmatch(row[0], begin.end()) is not None
        and 0 < len(sums) < width - 1
        and all(re.search(r"\d", cell) for cell in sums)
    )


def _rows_of_names(rows: Sequence[Cells]) -> int:
    """How many rows hold names: several only where the first leaves gaps, the last fills them, and numbers follow."""
    head = list(itertools.takewhile(_are_names, rows[: MOST_NAMES + 1]))
    if not 2 <= len(head) <= MOST_NAMES or len(rows) == len(head) or len({len(row) for row in head}) > 1:
        return 1
    gaps = [place for place, cell in enumerate(head[0]) if place and not cell.strip()]
    named = all(any(row[place].strip() for row in head) for place in range(1, len(head[0])) if place not in gaps)
    filled = any(head[-1][place].strip() for place in gaps)
    return len(head) if gaps and named and filled else 1


def _are_names(row: Cells) -> bool:
    return not any(_is_measured(cell) and not _is_year(cell.strip()) for cell in row)


def _is_measured(cell: str) -> bool:
    return is_number(cell) or MEASURED.fullmatch(cell.strip()) is not None


def _put_together(rows: Sequence[Cells]) -> tuple[str, ...]:
    """A name for each column: a cell of an upper row counts for the empty ones to its right, as merged cells do."""
    spread = []
    for number, row in enumerate(rows):
        cells, last = [], ""
        for place, cell in enumerate(row):
            # What a row above begins anew ends what is merged here.
            begins = any(above[place].strip() for above in rows[:number])
            last = cell.strip() or ("" if begins or number == len(rows) - 1 else last)
            cells.append(last)
        spread.append(cells)
    names = [" ".join(dict.fromkeys(filter(None, parts))) for parts in zip(*spread, strict=True)]
    counts = Counter(names)
    return tuple(f"{name} {place + 1}".strip() if counts[name] > 1 else name for place, name in enumerate(names))
