from __future__ import annotations

import numpy as np
import pytest

from portfolio.bundle.manifest import InputField
from portfolio.core.types import Array
from portfolio.evaluation.error_kinds import error_kinds

FIELDS = [
    InputField(name="age", kind="number"),
    InputField(name="town", kind="category", categories=("north", "south", "west")),
]


def table(rows: int, seed: int = 0) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    ages = random.normal(40, 10, rows).astype(np.float32)
    ages[random.random(rows) < 0.1] = np.nan
    towns = random.choice(["north", "south", "west"], rows).astype(object)
    return {"age": ages.reshape(-1, 1), "town": towns.reshape(-1, 1)}


def test_a_kind_of_rows_that_fails_more_often_is_found_and_described() -> None:
    inputs = table(600)
    wrong = np.random.default_rng(1).random(600) < np.where(inputs["town"][:, 0] == "west", 0.4, 0.05)
    kinds = error_kinds(FIELDS, inputs, wrong)
    assert sum(kind["rows"] for kind in kinds) == 600
    assert sum(kind["errors"] for kind in kinds) == wrong.sum()
    worst = kinds[0]
    assert worst["worse"]
    assert worst["low"] < worst["errors"] / worst["rows"] < worst["high"]
    (town,) = [feature for feature in worst["features"] if feature["value"] == "west"]
    assert town["inside"] > 0.9
    assert town["outside"] < 0.3
    assert inputs["town"][worst["typical"], 0] == "west"
    assert not any(kind["worse"] for kind in kinds if kind["errors"] / kind["rows"] < 0.1)


def test_errors_that_fall_where_they_like_are_no_kind() -> None:
    """Over many models without a weak spot, at most 5% are said to have one, but for chance."""
    said = sum(
        any(
            kind["worse"]
            for kind in error_kinds(FIELDS, table(300, seed), np.random.default_rng(seed).random(300) < 0.1)
        )
        for seed in range(200)
    )
    assert said <= 17


@pytest.mark.parametrize("kind", ["image", "text"])
def test_pictures_and_texts_have_kinds_too(kind: str) -> None:
    random = np.random.default_rng(0)
    dark = np.arange(200) < 60
    if kind == "image":
        field = InputField(name="it", kind="image", shape=(4, 4))
        values = random.normal(0, 1, (200, 16)) + np.where(dark, 8, 0)[:, None]
        inputs = {"it": values.astype(np.float32)}
    else:
        field = InputField(name="it", kind="text")
        inputs = {"it": np.where(dark, "部屋が暗い", "good room").astype(object).reshape(-1, 1)}
    kinds = error_kinds([field], inputs, dark & (random.random(200) < 0.5))
    assert kinds[0]["worse"]
    assert dark[kinds[0]["typical"]]
    assert kinds[-1]["errors"] == 0


def test_too_few_rows_have_no_kinds() -> None:
    assert error_kinds(FIELDS, table(50), np.zeros(50, dtype=bool)) == []


def test_rows_that_are_all_alike_have_no_kinds() -> None:
    inputs = {
        "age": np.full((100, 1), 3, dtype=np.float32),
        "town": np.full((100, 1), "west", dtype=object),
    }
    assert error_kinds(FIELDS, inputs, np.arange(100) < 10) == []
