"""What a valid raw row of housing looks like."""

import pandera.polars as pa
import polars as pl

from portfolio.use_cases.housing import CATEGORIES, USE_CASE

SCHEMA = pa.DataFrameSchema(
    {
        "district_id": pa.Column(pl.String, pa.Check.str_matches(r"^district-\d+$"), unique=True),
        **{
            field.name: pa.Column(pl.Float64, pa.Check.in_range(field.minimum, field.maximum), nullable=field.nullable)
            for field in USE_CASE.inputs
            if field.kind == "number"
        },
        "ocean_proximity": pa.Column(pl.String, pa.Check.isin(list(CATEGORIES))),
        "median_house_value": pa.Column(pl.Float64, pa.Check.in_range(1, 500_001)),
        "collected_on": pa.Column(pl.Date),
    },
    strict=True,
)
