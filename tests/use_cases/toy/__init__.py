"""Is a melon ripe? A use case for tests alone: two classes, a number that may be missing, a category.

One raw row:

    melon_id   "melon-5-012"
    weight     1.21        kg, or missing
    colour     "yellow"
    ripe       1
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from pydantic import Field

from portfolio.bundle.manifest import InputField, Output
from portfolio.contract.config import Collect, Config
from portfolio.contract.params import NetworkParamsBase
from portfolio.contract.sources import Source, arrived
from portfolio.contract.use_case import UseCase

if TYPE_CHECKING:
    import polars as pl
    import torch
    from pandera.polars import DataFrameSchema

COLOURS = ("green", "yellow")
ROWS_A_DAY = 1000


class Params(NetworkParamsBase):
    hidden: int = Field(ge=1)


class Toy(UseCase):
    name = "toy"
    title = "Ripe melons"
    inputs = (
        InputField(name="weight", kind="number", description="kg", minimum=0, maximum=10, nullable=True, example=1.21),
        InputField(name="colour", kind="category", description="of the skin", categories=COLOURS, example="yellow"),
    )
    output = Output(task="classification", name="ripe", classes=("unripe", "ripe"))
    key = "melon_id"
    identity = ("melon_id",)
    target = "ripe"
    metric = "log_loss"
    network_params = Params

    def source(self, config: Config) -> Source:
        return Melons(config.collect)

    def schema(self) -> DataFrameSchema:
        import pandera.polars as pa
        import polars as pl

        return pa.DataFrameSchema(
            {
                "melon_id": pa.Column(pl.String, unique=True),
                "weight": pa.Column(pl.Float64, pa.Check.in_range(0, 10), nullable=True),
                "colour": pa.Column(pl.String, pa.Check.isin(list(COLOURS))),
                "ripe": pa.Column(pl.Int64, pa.Check.isin([0, 1])),
            },
            strict=True,
        )

    def preprocessor(self) -> Any:
        from sklearn.compose import ColumnTransformer
        from sklearn.impute import SimpleImputer
        from sklearn.preprocessing import OneHotEncoder

        return ColumnTransformer(
            [
                ("weight", SimpleImputer(), ["weight"]),
                (
                    "colour",
                    OneHotEncoder(categories=[list(COLOURS)], handle_unknown="ignore", sparse_output=False),
                    ["colour"],
                ),
            ]
        )

    def baselines(self) -> dict[str, Any]:
        from sklearn.linear_model import LogisticRegression

        return {"logistic_regression": LogisticRegression()}

    def network(self, params: dict[str, Any], width: int) -> torch.nn.Module:
        from torch import nn

        hidden = Params.read(params).hidden
        return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, 2))


class Melons(Source):
    """The same melons every time: each day has its own seed."""

    def __init__(self, collect: Collect) -> None:
        self._collect = collect

    def dates(self) -> list[date]:
        return arrived(self._collect)

    def read(self, days: list[date]) -> dict[date, pl.DataFrame]:
        return {day: melons(day.day) for day in days}


def melons(seed: int) -> pl.DataFrame:
    import numpy as np
    import polars as pl

    random = np.random.default_rng(seed)
    weight = random.uniform(0.5, 3, ROWS_A_DAY)
    colour = random.integers(0, 2, ROWS_A_DAY)
    ripe = (weight + colour + random.normal(0, 0.3, ROWS_A_DAY) > 2).astype(int)
    return pl.DataFrame(
        {
            "melon_id": [f"melon-{seed}-{number:03d}" for number in range(ROWS_A_DAY)],
            "weight": [None if number % 10 == 0 else value for number, value in enumerate(weight.tolist())],
            "colour": [COLOURS[number] for number in colour],
            "ripe": ripe,
        }
    )


USE_CASE = Toy()
