"""Which shape is drawn? A use case for tests alone: pictures without a key of their own, and three classes.

drawing   [0, 0, 16, 0, ... 64 values of 0 (paper) to 16 (ink), row by row]
shape     "L"
"""

from datetime import date, timedelta
from typing import Any

from portfolio.contract import Classes, Image, Images, Source

FIRST_DAY = date(2026, 1, 5)
DAYS = 3
ROWS_PER_DAY = 300
SIDE = 8
SHAPES = {
    "I": "..#../..#../..#../..#../..#../..#../..#..",
    "L": "#..../#..../#..../#..../#..../#..../#####",
    "O": ".###./#...#/#...#/#...#/#...#/#...#/.###.",
}


class Drawings(Source):
    """The same drawings every time: each day has its own seed."""

    def dates(self) -> list[date]:
        return [FIRST_DAY + timedelta(days=number) for number in range(DAYS)]

    def read(self, days: list[date]) -> dict[date, Any]:
        return {day: drawings(day) for day in days}


def drawings(day: date) -> Any:
    import numpy as np
    import polars as pl

    random = np.random.default_rng(day.day)
    names = list(SHAPES)
    rows, shapes = [], []
    for number in random.integers(0, len(names), ROWS_PER_DAY):
        picture = random.integers(0, 3, (SIDE, SIDE))
        down, right = random.integers(0, 2), random.integers(0, 4)
        for y, line in enumerate(SHAPES[names[number]].split("/")):
            for x, mark in enumerate(line):
                # A pen that skips: one pixel alone does not tell a shape.
                if mark == "#" and random.random() > 0.1:
                    picture[down + y, right + x] = random.integers(8, 17)
        rows.append(picture.ravel().tolist())
        shapes.append(names[number])
    return pl.DataFrame({"drawing": pl.Series(rows, dtype=pl.Array(pl.UInt8, SIDE * SIDE)), "shape": shapes})


class Shapes(Images):
    source = Drawings()
    target = Classes("shape", list(SHAPES))
    inputs = [Image("drawing", SIDE, SIDE, maximum=16, step=1)]

    def candidates(self) -> dict[str, Any]:
        found = super().candidates()
        return {name: found[name] for name in ("logistic_regression", "decision_tree")}
