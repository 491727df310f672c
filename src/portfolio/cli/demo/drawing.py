"""Rows drawn on a terminal, with the answers and the truth beside them."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from textwrap import shorten
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.table import Table
from rich.text import Text

from portfolio.bundle.manifest import InputField
from portfolio.core.terminal import console
from portfolio.report.words import number

INK = " .:-=+*#%@"
MAX_ROWS = 6
# For tables.
MAX_COLUMNS = 4
MAX_CELL_WIDTH = 24
# In characters: all images side by side, and a single one.
LINE_WIDTH = 100
MAX_IMAGE_SIDE = 32
PREDICTED, ACTUAL = "predicted", "actual"


def shown_rows(first: InputField) -> int:
    """How many rows to show: as many images as fit side by side, at most MAX_ROWS."""
    if first.kind != "image":
        return MAX_ROWS
    return max(1, min(MAX_ROWS, LINE_WIDTH // (_drawn_width(first) + 2)))


def show_rows(
    fields: Sequence[InputField], rows: Sequence[dict[str, Any]], predicted: Sequence[str], actual: Sequence[str]
) -> None:
    """Images side by side with the answers below; for a table, some of its inputs and the answers."""
    if fields[0].kind != "image":
        _show_table(fields, rows, predicted, actual)
        return
    drawings = [_drawing(fields[0], row[fields[0].name]) for row in rows]
    width = max(_drawn_width(fields[0]), *(cell_len(label) for label in (*predicted, *actual)))
    lines = [("", line) for line in zip(*drawings, strict=True)]
    for name, cells in (*lines, (PREDICTED, predicted), (ACTUAL, actual)):
        # A Japanese character is two columns wide.
        centred = (" " * ((width - cell_len(cell)) // 2) + cell for cell in cells)
        line = f"  {name:<11}" + "  ".join(set_cell_size(cell, width) for cell in centred)
        console.print(line.rstrip(), highlight=False, markup=False, soft_wrap=True)


def _show_table(
    fields: Sequence[InputField], rows: Sequence[dict[str, Any]], predicted: Sequence[str], actual: Sequence[str]
) -> None:
    table = Table()
    for name in (*(field.name for field in fields[:MAX_COLUMNS]), PREDICTED, ACTUAL):
        answer = name in (PREDICTED, ACTUAL)
        table.add_column(Text(name), overflow="fold", no_wrap=answer, max_width=MAX_CELL_WIDTH)
    for row, *answers in zip(rows, predicted, actual, strict=True):
        cells = [_cell(row[field.name]) for field in fields[:MAX_COLUMNS]]
        table.add_row(*(Text(cell) for cell in (*cells, *answers)))
    console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "missing"
    return number(value) if isinstance(value, float) else shorten(str(value), MAX_CELL_WIDTH, placeholder="…")


def _drawn_width(image: InputField) -> int:
    """A large image is drawn from every second pixel, every third ..."""
    return len(range(0, image.shape[1], _stride(image)))


def _stride(image: InputField) -> int:
    return ceil(max(image.shape) / MAX_IMAGE_SIDE)


def _drawing(image: InputField, values: Sequence[float]) -> list[str]:
    """An image as lines of characters: what is ink, or dark in a photo, has more of it."""
    low = min(values) if image.minimum is None else image.minimum
    high = max(values) if image.maximum is None else image.maximum
    height, width = image.shape
    stride = _stride(image)
    pixels = [sum(values[at : at + image.channels]) / image.channels for at in range(0, len(values), image.channels)]
    shares = [(value - low) / ((high - low) or 1) for value in pixels]
    ink = [INK[int((1 - share if image.photo else share) * (len(INK) - 1))] for share in shares]
    return ["".join(ink[row * width : (row + 1) * width : stride]) for row in range(0, height, stride)]
