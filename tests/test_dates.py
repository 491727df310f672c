"""A use case with dates, from its declaration to the served answer and what the monitor makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import chdir
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from starlette.testclient import TestClient

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.store import Store
from portfolio.contract.loading import load_use_case
from portfolio.core.dates import days_of
from portfolio.core.paths import Paths
from portfolio.data.dataset import load_split
from serving.app import create_app
from tests.conftest import made_once
from tests.workspace import SMALL_CONFIG, collect, make_workspace, run_stage, stage_names, write_use_case

SALES = "sales"
CODE = '''
from portfolio.contract import Classes, Csv, Date, Number, Table


class Sales(Table):
    source = Csv(path="sales.csv", key="id", start="2026-01-05", rows_per_day=300)
    target = Classes("returned", ["no", "yes"])
    inputs = [
        Date("sold_on", "2015-01-01", "2030-12-31", description="at the till"),
        Date("born_on", "1920-01-01", "2030-12-31", missing=True),
        Number("price", 0, 100),
    ]
    trusted = ["sold_on"]
'''
FEATURES = "SELECT (sold_on - born_on) / 365.25 AS age, sold_on >= DATE '2021-01-01' AS later FROM rows"
FIRST = date(2020, 1, 1)


def sales(count: int = 1200) -> pl.DataFrame:
    """Things come back that were sold on a weekend, or in December."""
    random = np.random.default_rng(0)
    days = [FIRST + timedelta(days=int(number)) for number in random.integers(0, 1000, count)]
    born = [FIRST - timedelta(days=int(number)) for number in random.integers(7000, 30000, count)]
    returned = [day.weekday() >= 5 or day.month == 12 for day in days]
    noise = random.random(count) < 0.05
    return pl.DataFrame(
        {
            "id": [f"sale-{number}" for number in range(count)],
            # As people write them: each row in another way.
            "sold_on": [(str(day), f"{day.year}/{day.month}/{day.day}", f"{day} 10:30")[day.day % 3] for day in days],
            "born_on": [None if number % 10 == 0 else str(day) for number, day in enumerate(born)],
            "price": random.uniform(0, 100, count).round(2),
            "returned": [("no", "yes")[bool(came != off)] for came, off in zip(returned, noise, strict=True)],
        }
    )


def build(folder: Path) -> None:
    make_workspace(folder)
    with chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PORTFOLIO_STATE", str(folder / ".state"))
        config = SMALL_CONFIG.replace("cpu}", "cpu, max_epochs: 8, members: 1, batch_size: 32}")
        (write_use_case(SALES, CODE, config=config) / "features.sql").write_text(FEATURES)
        sales().write_csv("sales.csv")
        collect(SALES)
        for name in stage_names():
            run_stage(name, SALES)


@pytest.fixture
def built_sales(common_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = made_once(common_folder / SALES, build)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def client(built_sales: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("PORTFOLIO_USE_CASE", SALES)
    folder = Paths(SALES).best_folder()
    Store.of(SALES).publish(folder, Bundle.open(folder).manifest)
    with TestClient(create_app()) as client:
        yield client


def test_every_candidate_learns_from_the_day_of_the_week_and_the_season(built_sales: Path) -> None:
    """Each is a bundle, which was refused unless it answers as its model does."""
    found = json.loads(Paths(SALES).metrics("evaluate").read_text())["candidates"]
    assert {"logistic_regression", "decision_tree", "random_forest", "lightgbm", "network"} <= set(found)
    for name in set(found) - {"constant"}:
        assert found[name]["accuracy"] > 0.85 > found["constant"]["accuracy"], name


def test_a_row_is_given_as_a_text(client: TestClient) -> None:
    sunday = {"sold_on": "2021-06-13", "born_on": None, "price": 5.0}
    body = {"instances": [sunday, sunday | {"sold_on": "2021-06-15"}]}
    found = client.post("/predict?explain=true", json=body).json()
    assert [one["class"] for one in found["predictions"]] == ["yes", "no"], found
    assert set(found["predictions"][0]["explanation"]["falls_by"]) == {"sold_on", "born_on", "price"}
