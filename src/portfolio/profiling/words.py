"""What is said of a column: what it holds as an input, or why it can't be one."""

from __future__ import annotations

import re

from portfolio.core.counted import counted, readable
from portfolio.profiling.columns import NUMBERED, SIDE, Column

UNSURE_DATE = re.compile(r"\d{1,2}/\d{1,2}/\d{2,4}\b")
TIME = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?")
WITH_UNIT = re.compile(r"[$€£¥￥]\s*[+-]?\d[\d.,]*$|[+-]?\d[\d.,]*\s*([%円人件個]|[mck]?m|m?l|[mk]?g|m²|min|h)$")
WITH_SIDE = re.compile(rf"[+-]?\d[\d.,]*\s*({SIDE.pattern})", re.IGNORECASE)
BARE_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")

MONTH = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
PERIOD = re.compile(
    rf"(明治|大正|昭和|平成|令和)\s*(\d+|元)年度?|({MONTH})[a-z]*\W*(\d{{2}}|\d{{4}})|\d{{4}}([-/.]|年)\d{{1,2}}月?|"
    r"\d{4}\W?q[1-4]",
    re.IGNORECASE,
)
"""A year, a quarter or a month: the next one has a name of its own."""


def no_input(column: Column, total: int) -> str:
    """Why no model here can use the column; empty if one can."""
    if not column.name:
        return "has no name, as an index that a program wrote"
    if other := written_otherwise(column):
        return other
    distinct = f"{column.distinct:,} different values in {total:,} rows"
    lacks = f"; missing in {share_of(column.missing_share)}, so it can't be the key" if column.nullable else ""
    return {
        "constant": "the same in every row",
        "empty": "empty in every row",
        "date": "dates that can't all be read: write each as 2026-01-31",
        "nested": "lists, bytes or durations",
        "text": f"free text ({length_of(column)} on average)",
        "identifier": f"names the rows rather than describing them ({distinct}){lacks}",
        "code": f"too many to be categories ({distinct}); if rows that share one belong together: "
        f"--split-by {quoted(column.name)}",
    }.get(column.kind, "")


def written_otherwise(column: Column) -> str:
    """Of texts that are dates or numbers to a person: how to write them; empty for any other column."""
    texts = column.kind in ("category", "identifier", "code") and column.distinct > 2
    if texts and all(PERIOD.fullmatch(value.strip()) for value in column.values):
        return (
            f"points in time, such as {column.values[0]}, of which new rows have later ones: write them as 2026-01-31 "
            "to date the rows, or the month or the year as a number"
        )
    if column.kind in ("identifier", "code") and column.values:
        example = column.values[0]
        if UNSURE_DATE.match(example):
            return f"dates with the day or the month first, such as {example}: write them as 2026-01-31"
        if all(TIME.fullmatch(value.strip()) for value in column.values):
            return f"times of day, such as {example}: write the hour as a number"
        if BARE_DECIMAL_COMMA.fullmatch(example):
            plain = example.replace(",", ".")
            return f"numbers with a decimal comma, such as {example}: write them as {plain}"
        if sided := next(filter(WITH_SIDE.fullmatch, column.values), ""):
            return f"amounts of credit or debit, such as {sided}: write the numbers alone, and a minus before one side"
        if WITH_UNIT.match(example):
            return f"numbers with a sign or a unit, such as {example}: write the numbers alone"
    return ""


def length_of(column: Column) -> str:
    return counted(round(column.characters), "character") if column.characters else counted(round(column.words), "word")


def described(column: Column) -> str:
    """What an input holds."""
    said = []
    if column.kind == "number" and column.minimum is not None and column.maximum is not None:
        said.append(f"{readable(column.minimum)} to {readable(column.maximum)} {column.unit}".rstrip())
        if column.integer and NUMBERED.search(column.name):
            said.append(f"comes again; if rows that share one belong together: --split-by {quoted(column.name)}")
    elif column.kind == "date":
        said.append(f"{column.first} to {column.last}")
    elif column.kind == "category":
        said.append(
            ", ".join(" ".join(value.split()) for value in column.values[:5])
            + (f" and {column.distinct - 5} more" if column.distinct > 5 else "")
        )
    words = missing_words(column)
    if column.missing_share:
        said.append(f"missing in {share_of(column.missing_share)}" + (f" ({', '.join(words)} too)" if words else ""))
    if column.stray:
        are = "value is not a number" if column.stray == 1 else "values are not numbers"
        said.append(f"{column.stray:,} {are}, such as '{column.stray_example}': rejected")
    if column.far:
        are = "value is" if column.far == 1 else "values are"
        said.append(f"{column.far:,} {are} far from all others, such as {readable(column.far_example)}: rejected")
    return "; ".join(said)


def share_of(part: float) -> str:
    """A share as people say it: what there is of it is never 0."""
    return f"{part:.1%}" if part >= 0.001 else "under 0.1%"


def missing_words(column: Column) -> list[str]:
    return [*column.missing_words, *([column.coded] if column.coded else [])]


def quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name
