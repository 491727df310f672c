"""Dates as text, and as days since 1970-01-01, which a model is given: the one place where they are converted."""

from __future__ import annotations

import re
from datetime import date
from unicodedata import normalize

FORM = "a date such as 2026-01-31"
_TIME = r"(?:(?:T|\s+)\d{1,2}[:時].*)?"
YEAR_FIRST = re.compile(rf"(\d{{4}})[-/.年](\d{{1,2}})[-/.月](\d{{1,2}})日?{_TIME}|(\d{{4}})(\d\d)(\d\d)")
DAY_FIRST = re.compile(rf"(\d{{1,2}})\.(\d{{1,2}})\.(\d{{4}}){_TIME}")
FIRST_DAY = date(1970, 1, 1).toordinal()


def days_of(value: str | date) -> int:
    """The days from 1970-01-01 to a date, or to the day of a time; of a time with a zone, the day that is written.

    Texts are such as 2026-01-31, 2026/1/31, 2026年1月31日, 20260131 or 31.01.2026, also with a time behind. Raises
    ValueError for any other: 1/31/2026 may have the day or the month first.
    """
    if isinstance(value, date):
        return value.toordinal() - FIRST_DAY
    text = normalize("NFKC", value).strip()
    if found := YEAR_FIRST.fullmatch(text):
        year, month, day = found[1] or found[4], found[2] or found[5], found[3] or found[6]
    elif found := DAY_FIRST.fullmatch(text):
        day, month, year = found.groups()
    else:
        raise ValueError(f"'{value[:40]}' is not {FORM}")
    try:
        return date(int(year), int(month), int(day)).toordinal() - FIRST_DAY
    except ValueError as error:
        raise ValueError(f"'{value[:40]}' is not a date ({error})") from error


def iso_date(days: float) -> str:
    """Such as 2026-01-31."""
    return date.fromordinal(FIRST_DAY + int(days)).isoformat()
