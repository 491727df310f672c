"""Columns have the names that the data have, whatever they are: from the raw rows to a bundle that opens.

That a bundle's graph gives the same answers as the model it comes from is checked whenever one is written.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from portfolio.bundle.bundle import Bundle
from portfolio.contract.loading import load_use_case
from portfolio.contract.made_up import made_up_rows
from portfolio.core.paths import Paths
from portfolio.data.dataset import load_split
from tests.workspace import run_stage, write_use_case

HEADERS = [
    "1st Flr SF",
    "人口",
    "class",
    "shape",
    "value",
    "probabilities",
    "variable",
    "features",
    "label",
    "a.b",
    "rows",
    "input_1",
    "input_0",
    "batch_size",
    "answer",
    "Ünïcode 'quoted' \"twice\"",
    "{braces} %s \\ /",
    " ",
]
CODE = """
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from portfolio.contract import Category, Classes, Csv, Number, Quantity, Table

NUMBERS, CATEGORIES, TARGET = {numbers!r}, {categories!r}, {target!r}
REGRESSION = {regression}


class Headers(Table):
    source = Csv(path="rows.csv", key="id", start="2026-01-05")
    target = Quantity(TARGET, 1, 500, log=True) if REGRESSION else Classes(TARGET, ["no", "yes"])
    inputs = [Number(name, 0, 10, missing=True) for name in NUMBERS]
    inputs += [Category(name, ["A", "2", "大"], missing=True) for name in CATEGORIES]

    def candidates(self):
        if REGRESSION:
            return {{"ridge": Ridge(), "decision_tree": DecisionTreeRegressor(max_depth=4)}}
        return {{"linear": LogisticRegression(), "decision_tree": DecisionTreeClassifier(max_depth=4)}}
"""
CONFIG = """
value: {by_hand_yen: 10, check_yen: 4, error_yen: 50, %s}
train: {accelerator: cpu, max_epochs: 1}
"""


def prepared(numbers: list[str], categories: list[str], target: str, task: str) -> Paths:
    """A use case with such columns, and made-up rows of it up to its splits."""
    regression = task == "regression"
    code = CODE.format(numbers=numbers, categories=categories, target=target, regression=regression)
    more = "tolerance: 50" if regression else "prefer: best"
    write_use_case("headers", code, config=CONFIG % more)
    paths = Paths("headers")
    paths.batches.mkdir(parents=True)
    made_up_rows(load_use_case("headers"), 300).write_parquet(paths.batches / "2026-01-05.parquet")
    for stage in ("validate", "prepare"):
        run_stage(stage, "headers")
    return paths


def assert_opens(folder: Path, names: list[str]) -> None:
    bundle = Bundle.open(folder)
    assert [field.name for field in bundle.manifest.inputs] == names
    test = load_split(load_use_case("headers"), "test")
    assert np.isfinite(bundle.predict(test.inputs)).all()


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("header", HEADERS)
def test_any_header_may_be_a_number_a_category_or_the_target(workspace: Path, header: str, task: str) -> None:
    """Over all of them, each is in each place."""
    place = HEADERS.index(header)
    number, category, target = (HEADERS * 2)[place : place + 3]
    paths = prepared([number], [category], target, task)
    run_stage("baselines", "headers")
    assert set(paths.fitted()) > {"constant", "decision_tree"}
    for bundle in paths.fitted().values():
        assert_opens(bundle, [number, category])


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_network_takes_all_of_them_at_once(workspace: Path, task: str) -> None:
    half = len(HEADERS) // 2
    paths = prepared(HEADERS[:half], HEADERS[half:], "target", task)
    run_stage("train", "headers")
    assert_opens(paths.models / "network", HEADERS)
