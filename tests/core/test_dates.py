"""Dates are read as people write them, and never guessed."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from portfolio.core.dates import days_of, iso_date

LATER = date(2026, 1, 31)


@pytest.mark.parametrize(
    "value",
    [
        LATER,
        datetime(2026, 1, 31, 23, 59),
        "2026-01-31",
        " 2026/1/31 ",
        "2026.01.31",
        "20260131",
        "31.1.2026",
        "2026年1月31日",
        "２０２６年１月３１日",
        "2026-01-31T23:59:00.5Z",
        "2026-01-31 00:30:00+09:00",
        "2026/1/31 9:05",
    ],
)
def test_a_date_is_the_day_that_is_written(value: str | date) -> None:
    assert iso_date(days_of(value)) == "2026-01-31"


@pytest.mark.parametrize("value", ["", "1/31/2026", "31/1/2026", "2026-02-30", "2026-01", "2026", "May", "-1", "12:30"])
def test_what_is_no_date_or_may_be_two_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=f"'{value}' is not a date"):
        days_of(value)


@pytest.mark.parametrize(("text", "days"), [("1970-01-01", 0), ("1969-12-31", -1), ("0001-01-01", -719162)])
def test_days_are_counted_from_1970(text: str, days: int) -> None:
    assert (days_of(text), iso_date(days)) == (days, text)
