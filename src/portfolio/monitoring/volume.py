"""How much is asked for: the rows of the last day beside those of the days before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import numpy as np

from portfolio.monitoring.looks import Look, Reason

DAY = timedelta(days=1)
# A week has every weekday; four are enough to know the lowest and the highest.
LEAST_DAYS, MOST_DAYS = 7, 28
# Beyond the lowest and the highest day by this factor, it is told.
FACTOR = 2.0
# So many rows less or more are told at the least: of a few, hardly any may come by chance.
LEAST_CHANGE_ROWS = 100


def by_day(looks: Iterable[Look], until: datetime) -> list[int]:
    """The rows that were looked at in each of the days that end at `until`, a day before it and so on, newest first.

    Whole days alone count, back to the first look, or to a day in which nobody looked: the rows of such days are in the
    next look, and which day had how many is not known. The windows of one bundle that begin together contain each
    other: the longest has the rows of all.
    """
    longest: dict[tuple[str, datetime], Look] = {}
    watched: set[int] = set()
    for one in looks:
        watched.add((until - one.end) // DAY)
        known = longest.get((one.digest, one.start))
        if known is None or one.end > known.end:
            longest[one.digest, one.start] = one
    windows = [one for one in longest.values() if one.end <= until]
    if not windows:
        return []
    days = min((until - min(one.start for one in windows)) // DAY, MOST_DAYS + 1)
    days = next((day for day in range(days) if day not in watched), days)
    rows = [0] * days
    for one in windows:
        if (day := (until - one.end) // DAY) < days:
            rows[day] += one.rows
    return rows


def moved(rows: Sequence[int]) -> Reason | None:
    """Whether the first of these days, the last one, lies beyond what the others would lead one to expect."""
    last, before = rows[0] if rows else 0, np.asarray(rows[1:])
    if len(before) < LEAST_DAYS:
        return None
    low, high = int(before.min()), int(before.max())
    figures = {"rows": last, "low": low, "high": high, "days": len(before)}
    if last < low / FACTOR and low - last >= LEAST_CHANGE_ROWS:
        return Reason("volume_fell", figures)
    if last > high * FACTOR and last - high >= LEAST_CHANGE_ROWS:
        return Reason("volume_rose", figures)
    return None
