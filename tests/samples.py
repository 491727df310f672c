"""Made-up files in the form of those that use cases fetch, for where the real ones are not at hand."""

from __future__ import annotations

import numpy as np
import polars as pl


def housing(rows: int = 2400) -> bytes:
    """A CSV with the columns of California housing; the value follows from income and the way to the sea."""
    random = np.random.default_rng(0)
    rooms = random.integers(200, 6000, rows).astype(float)
    bedrooms = (rooms / random.uniform(4, 6, rows)).round()
    households = (bedrooms * random.uniform(0.8, 1, rows)).round()
    income = random.lognormal(1.2, 0.45, rows).clip(0.5, 15).round(4)
    inland = random.random(rows) < 0.4
    sea = random.choice(["<1H OCEAN", "NEAR BAY", "NEAR OCEAN"], rows)
    value = 45_000 * income * np.where(inland, 0.6, 1.2) * random.lognormal(0, 0.2, rows)
    table = pl.DataFrame(
        {
            "longitude": random.uniform(-124, -115, rows).round(2),
            "latitude": random.uniform(33, 41, rows).round(2),
            "housing_median_age": random.integers(1, 53, rows).astype(float),
            "total_rooms": rooms,
            "total_bedrooms": pl.Series(bedrooms).set(pl.Series(random.random(rows) < 0.01), None),
            "population": (households * random.uniform(2, 4, rows)).round(),
            "households": households,
            "median_income": income,
            "median_house_value": value.clip(15_000, 500_001).round(),
            "ocean_proximity": np.where(inland, "INLAND", sea),
        }
    )
    return table.write_csv().encode()


SAMPLES = {"housing": housing}
