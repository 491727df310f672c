"""What a model sees of a date: the day of the week and the place in the year, as the calendar has them."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np

from portfolio.contract.fields import Date
from portfolio.contract.graph_features import GraphFeatures


def test_the_graph_knows_the_calendar() -> None:
    """Of a day in each of 400 years, and of a missing one, which has no features either."""
    days = [date(1700, 1, 1) + timedelta(days=367 * number) for number in range(398)]
    numbers = np.array([*((day - date(1970, 1, 1)).days for day in days), np.nan], dtype=np.float32).reshape(-1, 1)
    found = GraphFeatures(Path("none.sql"), [Date("day")]).compute({"day": numbers})
    columns = np.concatenate(list(found.values()), axis=1)
    assert columns[:-1, :7].argmax(axis=1).tolist() == [day.weekday() for day in days]
    assert set(columns[:-1, :7].sum(axis=1)) == {1.0}
    turns = 2 * np.pi * numbers[:-1].astype(np.float64) / 365.2425
    expected = np.concatenate([np.sin(turns), np.cos(turns)], axis=1)
    np.testing.assert_allclose(columns[:-1, 7:], expected, atol=1e-3)
    assert np.isnan(columns[-1]).all()
    assert list(found)[:2] == ["day: Monday", "day: Tuesday"]
