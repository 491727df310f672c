"""California housing: the median house value of a census district, from the 1990 census (Pace and Barry 1997).

One raw row:

    district_id         "district-00000"
    longitude           -122.23
    latitude            37.88
    housing_median_age  41.0       years, capped at 52
    total_rooms         880.0
    total_bedrooms      129.0      missing in 207 districts
    population          322.0
    households          126.0
    median_income       8.3252     tens of thousands of dollars
    ocean_proximity     "NEAR BAY"
    median_house_value  452600.0   dollars, capped at 500,001: the target
    collected_on        2026-01-05
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portfolio.bundle.manifest import InputField, Output
from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.use_cases.housing.params import NetworkParams

if TYPE_CHECKING:
    import polars as pl
    import torch
    from pandera.polars import DataFrameSchema

    from portfolio.contract.sources import Source

CATEGORIES = ("<1H OCEAN", "INLAND", "ISLAND", "NEAR BAY", "NEAR OCEAN")


def _number(name: str, description: str, minimum: float, maximum: float, example: float, **more: Any) -> InputField:
    return InputField(
        name=name, kind="number", description=description, minimum=minimum, maximum=maximum, example=example, **more
    )


class Housing(UseCase):
    name = "housing"
    title = "House values of Californian districts"
    inputs = (
        _number("longitude", "degrees east", -125, -114, -122.23),
        _number("latitude", "degrees north", 32, 42.5, 37.88),
        _number("housing_median_age", "years", 0, 200, 41),
        _number("total_rooms", "rooms in the district", 0, 1e6, 880),
        _number("total_bedrooms", "bedrooms in the district; may be missing", 0, 1e6, 129, nullable=True),
        _number("population", "people in the district", 0, 1e6, 322),
        _number("households", "households in the district", 0, 1e6, 126),
        _number("median_income", "tens of thousands of dollars", 0, 1000, 8.3252),
        InputField(
            name="ocean_proximity",
            kind="category",
            description="where the district lies towards the sea",
            categories=CATEGORIES,
            example="NEAR BAY",
        ),
    )
    output = Output(task="regression", name="median house value", unit="USD")
    key = "district_id"
    # The place, not the row: districts at the same spot share one split, so none is tested on its neighbour's answer.
    identity = ("longitude", "latitude")
    target = "median_house_value"
    metric = "rmse"
    log_target = True
    network_params = NetworkParams

    def source(self, config: Config) -> Source:
        from portfolio.use_cases.housing.source import HousingFile

        return HousingFile(config.collect)

    def schema(self) -> DataFrameSchema:
        from portfolio.use_cases.housing.schema import SCHEMA

        return SCHEMA

    def slices(self, frame: pl.DataFrame) -> dict[str, pl.Series]:
        return {**super().slices(frame), "ocean_proximity": frame["ocean_proximity"]}

    def preprocessor(self) -> Any:
        from portfolio.use_cases.housing.baselines import preprocessor

        return preprocessor()

    def baselines(self) -> dict[str, Any]:
        from portfolio.use_cases.housing.baselines import baselines

        return baselines()

    def network(self, params: dict[str, Any], width: int) -> torch.nn.Module:
        from portfolio.use_cases.housing.network import HousingNetwork

        return HousingNetwork(NetworkParams.read(params), width)


USE_CASE = Housing()
