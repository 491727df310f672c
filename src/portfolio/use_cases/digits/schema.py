"""What a valid raw row of digits looks like."""

import pandera.polars as pa
import polars as pl

PIXELS = pl.Array(pl.UInt8, 64)

SCHEMA = pa.DataFrameSchema(
    {
        "form_id": pa.Column(pl.String, pa.Check.str_matches(r"^form-[\w-]+$"), unique=True),
        "pixels": pa.Column(
            PIXELS,
            pa.Check(
                lambda data: data.lazyframe.select(pl.col(data.key).arr.max() <= 16),
                name="ink is 0 to 16",
                error="ink is 0 to 16",
            ),
        ),
        "digit": pa.Column(pl.Int8, pa.Check.in_range(0, 9)),
        "scanned_on": pa.Column(pl.Date),
    },
    strict=True,
)
