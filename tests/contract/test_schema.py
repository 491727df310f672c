"""The schema that follows from the declarations, over rows that are in one form already."""

from __future__ import annotations

from typing import Any

import pandera.errors
import polars as pl
import pytest

from portfolio.contract import Category, Classes, Csv, Image, Images, Number, Quantity, Table

SOURCE = Csv(path="rows.csv", key="id", start="2026-01-05")


class Case(Table):
    source = SOURCE
    target = Classes("bought", {0: "no", 1: "yes"})
    inputs = [  # noqa: RUF012
        Number("1st Flr SF", 0, 120, missing=True),
        Number("low", minimum=0),
        Number("any"),
        Category("人口", ["A", "B"]),
        Category("town", ["C"], missing=True),
    ]


class Price(Table):
    source = SOURCE
    target = Quantity("price", 1, 500, log=True)
    inputs = [Number("any", missing=True)]  # noqa: RUF012


class Unbounded(Price):
    target = Quantity("price", log=True)


class Picture(Images):
    source = SOURCE
    target = Classes("shape", ["ring", "bar"])
    inputs = [Image("ink", 1, 2, minimum=-1, maximum=4)]  # noqa: RUF012


GOOD: dict[type, dict[str, Any]] = {
    Case: {"id": "a", "1st Flr SF": 120.0, "low": 0.0, "any": -1e9, "人口": "A", "town": None, "bought": "1"},
    Price: {"id": "a", "any": None, "price": 1.0},
    Unbounded: {"id": "a", "any": 0.0, "price": 1e-9},
    Picture: {"id": "a", "ink": [-1.0, 4.0], "shape": "bar"},
}


def rows(case: type, **changes: Any) -> pl.DataFrame:
    """One row, with changes."""
    types = {"ink": pl.Array(pl.Float32, 2), **dict.fromkeys(["id", "人口", "town", "bought", "shape"], pl.String)}
    row = {**GOOD[case], **changes}
    return pl.DataFrame([pl.Series(name, [value], types.get(name, pl.Float64)) for name, value in row.items()])


@pytest.mark.parametrize("case", GOOD)
def test_rows_as_declared_are_valid(case: type) -> None:
    case("case").schema().validate(rows(case), lazy=True)


@pytest.mark.parametrize(
    ("case", "column", "bad"),
    [
        (Case, "id", None),
        (Case, "1st Flr SF", 120.5),
        (Case, "1st Flr SF", -0.5),
        (Case, "low", None),
        (Case, "low", -1.0),
        (Case, "low", float("inf")),
        (Case, "any", float("-inf")),
        (Case, "any", None),
        (Case, "人口", "C"),
        (Case, "人口", None),
        (Case, "town", "A"),
        (Case, "bought", "yes"),
        (Case, "bought", None),
        (Price, "price", 0.5),
        (Price, "price", 501.0),
        (Price, "price", None),
        (Unbounded, "price", 0.0),
        (Unbounded, "price", float("inf")),
        (Picture, "ink", [0.0, 4.5]),
        (Picture, "ink", [-2.0, 0.0]),
        (Picture, "shape", "dot"),
    ],
)
def test_a_value_that_was_not_declared_is_found(case: type, column: str, bad: Any) -> None:
    both = pl.concat([rows(case), rows(case, **{"id": "b", column: bad})])
    with pytest.raises(pandera.errors.SchemaErrors) as caught:
        case("case").schema().validate(both, lazy=True)
    cases = caught.value.failure_cases
    assert set(cases["column"]) == {column}
    assert set(cases["index"]) == {1}


def test_a_key_that_comes_twice_is_found() -> None:
    with pytest.raises(pandera.errors.SchemaErrors):
        Case("case").schema().validate(pl.concat([rows(Case), rows(Case)]), lazy=True)
