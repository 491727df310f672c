from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from bench.years import days_of_moved_volume
from portfolio.monitoring import volume
from portfolio.monitoring.looks import Look
from tests.monitoring.world import midnight

HOUR = timedelta(hours=1)


def hourly(days: int, rows: int) -> list[Look]:
    """A day of 24 looks, with all its rows between nine and six."""
    found = []
    for number in range(24 * days):
        start = midnight(0) + number * HOUR
        now = rows // 9 if 9 <= start.hour < 18 else 0
        found.append(Look(start, start + HOUR, 1, "a" * 64, now, 0, "healthy", (), {}))
    return found


def test_the_rows_of_a_day_are_those_of_all_its_windows_and_versions() -> None:
    looks = hourly(3, 900)
    looks += [replace(one, digest="b" * 64, rows=one.rows // 10) for one in looks]
    assert volume.by_day(looks, midnight(3)) == [990, 990, 990]
    assert volume.by_day(looks, midnight(3) + 12 * HOUR) == [330 + 330, 990, 990]
    assert volume.by_day([], midnight(3)) == []


def test_a_window_that_goes_on_from_the_start_of_the_last_is_counted_once() -> None:
    first, second = Look(midnight(0), midnight(1), 1, "a" * 64, 30, 0, "insufficient_data", (), {}), 70
    assert volume.by_day([first, replace(first, end=midnight(2), rows=second)], midnight(2)) == [70, 0]


def test_days_in_which_nobody_looked_are_not_taken_for_days_without_rows() -> None:
    """The first look of all, weeks after the first answer, and one after a pause of the monitor."""
    first = Look(midnight(0), midnight(20), 1, "a" * 64, 3_000, 0, "healthy", (), {})
    assert volume.by_day([first], midnight(20)) == [3_000]
    resumed = Look(midnight(10), midnight(20), 1, "a" * 64, 9_000, 0, "healthy", (), {})
    assert volume.by_day([*hourly(10, 900), resumed], midnight(20)) == [9_000]
    assert volume.moved(volume.by_day([first], midnight(20))) is None


@pytest.mark.parametrize(
    ("last", "finding"), [(400, "volume_fell"), (1_700, None), (4_100, "volume_rose"), (0, "volume_fell")]
)
def test_a_day_unlike_any_before_it_is_told(last: int, finding: str | None) -> None:
    found = volume.moved([last, *[1_000, 1_500, 2_000, 1_000, 1_200, 1_100, 1_300]])
    assert (found.finding if found else None) == finding


def test_a_first_week_and_a_handful_of_rows_say_nothing() -> None:
    assert volume.moved([0, *[1_000] * (volume.LEAST_DAYS - 1)]) is None
    assert volume.moved([0, *[90] * 20]) is None
    assert volume.moved([]) is None


def test_days_that_vary_by_chance_and_by_weekday_are_rarely_told() -> None:
    assert days_of_moved_volume(np.random.default_rng(0), years=50) < 0.01
