"""What is said of a column: what it holds as an input, or why it can't be one."""

from __future__ import annotations

import re
from textwrap import shorten

from portfolio.core.counted import counted, readable
from portfolio.profiling.columns import NUMBERED, SIDE, Column

UNSURE_DATE = re.compile(r"\d{1,2}/\d{1,2}/\d{2,4}\b")
TIME = re.compile(r"(午前|午後)?\s*\d{1,2}(:\d{2}(:\d{2}(\.\d+)?)?|時(\d{1,2}分)?)(\s*[ap]\.?m\.?)?", re.IGNORECASE)
SCALED = re.compile(r"[+-]?\d[\d.,]*\s*([kKMB]|[千万億])?")
"""A number that may be of thousands, or of millions."""
WITH_UNIT = re.compile(r"[$€£¥￥]\s*[+-]?\d[\d.,]*$|[+-]?\d[\d.,]*\s*([%円人件個]|[mck]?m|m?l|[mk]?g|m²|min|h)$")
WITH_SIDE = re.compile(rf"[+-]?\d[\d.,]*\s*({SIDE.pattern})", re.IGNORECASE)
BARE_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")

MONTH = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
PERIOD = re.compile(
    rf"(明治|大正|昭和|平成|令和)\s*(\d+|元)年度?|({MONTH})[a-z]*\W*(\d{{2}}|\d{{4}})|\d{{4}}([-/.]|年)\d{{1,2}}月?|"
    r"\d{4}\W?(q[1-4]|w\d{1,2})",
    re.IGNORECASE,
)
"""A year, a quarter, a month or a week: the next one has a name of its own."""
NAMED_DATE = re.compile(
    r"([MTSHR]|明治|大正|昭和|平成|令和)\s*(\d+|元)[年./]\s*\d{1,2}[月./]\s*\d{1,2}日?|"
    rf"([a-z]{{3,9}}\.?,?\s+)?(\d{{1,2}}[-\s/.]({MONTH})[a-z]*[-\s/.,]+(\d{{4}}|\d{{2}})|"
    rf"({MONTH})[a-z]*\.?\s+\d{{1,2}},?\s+\d{{4}}|\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}})(\D{{0,4}}\d{{1,2}}:\d{{2}}.{{0,20}})?",
    re.IGNORECASE,
)
"""A date with the month's name, or with more behind the time than is read."""
SPAN = (
    "y|yrs?|years?|mo|months?|w|weeks?|d|days?|h|hrs?|hours?|m|mins?|minutes?|s|secs?|seconds?|"
    "年|[かヶカヵケ]月|週間|日|時間|分|秒"
)
DURATION = re.compile(rf"(\d+(\.\d+)?\s*({SPAN})[\s,]*)+([\d:.]+)?|P(\d+[YMWD])*(T([\d.]+[HMS])+)?", re.IGNORECASE)
PAIR = re.compile(r"[(\[]?\s*[+-]?\d+(\.\d+)?(\s*[/;x]\s*|,\s+)[+-]?\d+(\.\d+)?\s*[)\]]?")
DECIMAL_PAIR = re.compile(r"[(\[]?\s*[+-]?\d+\.\d+\s*[/,;\s]\s*[+-]?\d+\.\d+\s*[)\]]?")
JSON = re.compile(r"\{.*:.*\}|\[\s*([\"'{\[\d].*)?\]", re.DOTALL)


def no_input(column: Column, total: int) -> str:
    """Why no model here can use the column; empty if one can."""
    if not column.name:
        return "has no name, as an index that a program wrote"
    if other := written_otherwise(column):
        return other
    distinct = f"{column.distinct:,} different values in {total:,} rows"
    lacks = f"; missing in {share_of(column.missing_share)}, so it can't be the key" if column.nullable else ""
    if column.missing_share > 0.5:
        lacks += ". If an empty cell means the one above it, as merged cells do, fill it in"
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
    if column.kind not in ("category", "identifier", "code", "text") or column.distinct < 3 or not column.values:
        return ""

    def are(form: re.Pattern[str]) -> bool:
        return all(form.fullmatch(value.strip()) for value in column.values)

    example = shorten(column.values[0], 60)
    if are(PERIOD):
        return (
            f"points in time, such as {example}, of which new rows have later ones: write them as 2026-01-31 "
            "to date the rows, or the month or the year as a number"
        )
    if are(JSON):
        return f"JSON, such as {example}: give each of its values a column of its own"
    if column.kind != "category" and are(NAMED_DATE):
        return f"dates, such as {example}: write each as 2026-01-31"
    if column.kind in ("identifier", "code") and are(TIME):
        return f"times of day, such as {example}: write the hour as a number; of a duration, the minutes"
    if column.kind != "category" and are(DURATION):
        return f"durations, such as {example}: write each as one number, all in the same unit"
    # What is different in each row may be a number with a slash in it that names the row.
    if are(DECIMAL_PAIR) or (column.kind == "code" and are(PAIR)):
        return f"two numbers in one cell, such as {example}: give each a column of its own"
    if column.kind in ("identifier", "code"):
        if UNSURE_DATE.match(example):
            return f"dates with the day or the month first, such as {example}: write them as 2026-01-31"
        if BARE_DECIMAL_COMMA.fullmatch(example):
            plain = example.replace(",", ".")
            return f"numbers with a decimal comma, such as {example}: write them as {plain}"
        if sided := next(filter(WITH_SIDE.fullmatch, column.values), ""):
            return f"amounts of credit or debit, such as {sided}: write the numbers alone, and a minus before one side"
        scaled = next((value for value in column.values if not value[-1:].isdigit()), "") if are(SCALED) else ""
        if scaled or WITH_UNIT.match(example):
            return f"numbers with a sign or a unit, such as {scaled or example}: write the numbers alone"
    return ""


def length_of(column: Column) -> str:
    return counted(round(column.characters), "character") if column.characters else counted(round(column.words), "word")


def described(column: Column) -> str:
    """What an input holds."""
    said = []
    if column.kind == "number" and column.minimum is not None and column.maximum is not None:
        said.append(f"{readable(column.minimum)} to {readable(column.maximum)} {column.unit}".rstrip())
        if column.without_unit:
            said.append(f"some have no {column.unit}, and are taken as with it")
        if column.integer and NUMBERED.search(column.name):
            said.append(f"comes again; if rows that share one belong together: --split-by {quoted(column.name)}")
    elif column.kind == "date":
        said.append(f"{column.first} to {column.last}")
        if column.timed:
            said.append("the day alone: for the time, add the hour as a number")
    elif column.kind == "category":
        said.append(
            ", ".join(" ".join(value.split()) for value in column.values[:5])
            + (f" and {column.distinct - 5} more" if column.distinct > 5 else "")
        )
    words = missing_words(column)
    if column.missing_share:
        said.append(f"missing in {share_of(column.missing_share)}" + (f" ({', '.join(words)} too)" if words else ""))
    said += rejected(column)
    return "; ".join(said)


def rejected(column: Column) -> list[str]:
    """Which of its values are mistakes, so that their rows go to quarantine."""
    said = []
    if column.stray:
        are = "value is not a number" if column.stray == 1 else "values are not numbers"
        said.append(f"{column.stray:,} {are}, such as '{column.stray_example}': rejected")
    if column.far:
        are = "value is" if column.far == 1 else "values are"
        said.append(f"{column.far:,} {are} far from all others, such as {readable(column.far_example)}: rejected")
    return said


def share_of(part: float) -> str:
    """A share as people say it: what there is of it is never 0."""
    return f"{part:.1%}" if part >= 0.001 else "under 0.1%"


def missing_words(column: Column) -> list[str]:
    return [*column.missing_words, *([column.coded] if column.coded else [])]


def quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name
