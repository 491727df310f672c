"""Is a melon ripe? A use case for tests alone: two classes, a number and a category that may be missing.

melon    "2026-01-05-012"
weight   1.21        kg, or missing
colour   "yellow"    or missing
ripe     true
"""

from datetime import date, timedelta
from typing import Any

from pydantic import Field

from portfolio.contract import Category, Classes, NetworkParams, Number, Source, Table

FIRST_DAY = date(2026, 1, 5)
DAYS = 6
ROWS_PER_DAY = 1000


class Melons(Source):
    """The same melons every time: each day has its own seed."""

    def dates(self) -> list[date]:
        return [FIRST_DAY + timedelta(days=number) for number in range(DAYS)]

    def read(self, days: list[date]) -> dict[date, Any]:
        return {day: melons(day) for day in days}


def melons(day: date) -> Any:
    import numpy as np
    import polars as pl

    random = np.random.default_rng(day.day)
    weight = random.uniform(0.5, 3, ROWS_PER_DAY)
    yellow = random.integers(0, 2, ROWS_PER_DAY)
    ripe = weight + yellow + random.normal(0, 0.3, ROWS_PER_DAY) > 2
    numbers = range(ROWS_PER_DAY)
    return pl.DataFrame(
        {
            "melon": [f"{day}-{number:03d}" for number in numbers],
            "weight": [None if number % 10 == 0 else value for number, value in enumerate(weight.tolist())],
            "colour": [None if number % 25 == 0 else ("green", "yellow")[yellow[number]] for number in numbers],
            "ripe": ripe,
        }
    )


class ToyParams(NetworkParams):
    hidden: int = Field(default=8, ge=1)


class Toy(Table):
    source = Melons(key="melon")
    target = Classes("ripe", {False: "unripe", True: "ripe"})
    inputs = [
        Number("weight", 0, 10, unit="kg", missing=True),
        Category("colour", ["green", "yellow"], missing=True, description="of the skin"),
    ]
    metric = "log_loss"
    network_params = ToyParams

    def candidates(self) -> dict[str, Any]:
        return {"logistic_regression": super().candidates()["logistic_regression"]}

    def network(self, params: Any, width: int) -> Any:
        from torch import nn

        return nn.Sequential(nn.Linear(width, params.hidden), nn.ReLU(), nn.Linear(params.hidden, 2))
