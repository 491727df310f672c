"""The median house value in a Californian census district of 1990 (Pace and Barry 1997). One row is a district:

    longitude -122.23, latitude 37.88, housing_median_age 41, total_rooms 880, total_bedrooms 129, population 322,
    households 126, median_income 8.3252, ocean_proximity NEAR BAY, median_house_value 452600

20,640 rows, total_bedrooms missing in 207, values capped at 500,001. The file is sorted by place, so it is shuffled.
"""

from portfolio.contract import Category, Cell, Csv, Number, Quantity, Table


class Housing(Table):
    source = Csv(
        url="https://raw.githubusercontent.com/ageron/handson-ml2/1e2115277b50f6c584cd668fa30e3af309a5b136/datasets/housing/housing.csv",
        sha256="8a3727f4cf54ac1a327f69b1d5b4db54c5834ea81c6e4efc0d163300022a685e",
        # Districts in the same square of a map, some 10 km wide, share a split: a neighbour's price says much about a
        # district's own. docs/decisions/split.md measures how much.
        split_by=[Cell("longitude", 0.1), Cell("latitude", 0.1)],
        shuffle=True,
        start="2026-01-05",
        rows_per_day=2064,
    )
    target = Quantity("median_house_value", 1, 500_001, unit="USD", log=True)
    inputs = [
        Number("longitude", -125, -114, unit="degrees east"),
        Number("latitude", 32, 42.5, unit="degrees north"),
        Number("housing_median_age", 0, 200, unit="years"),
        Number("total_rooms", 0, 1e6),
        Number("total_bedrooms", 0, 1e6, missing=True),
        Number("population", 0, 1e6),
        Number("households", 0, 1e6),
        Number("median_income", 0, 1000, unit="10,000 USD"),
        Category("ocean_proximity", ["<1H OCEAN", "INLAND", "ISLAND", "NEAR BAY", "NEAR OCEAN"]),
    ]
    slices = ["ocean_proximity"]
