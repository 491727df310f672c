"""A use case with dates, from its declaration to the served answer and what the monitor makes of it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import chdir
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from starlette.testclient import TestClient

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import Manifest
from portfolio.bundle.store import Store
from portfolio.client.rows import read_rows
from portfolio.contract.loading import load_use_case
from portfolio.core.dates import days_of
from portfolio.core.errors import DataError
from portfolio.core.paths import Paths
from portfolio.data.batches import REFUSED
from portfolio.data.dataset import load_split
from portfolio.data.validate import check_rows
from portfolio.monitoring.drift import drifts
from portfolio.monitoring.feedback import take_feedback
from portfolio.monitoring.inflow import input_references, input_values, inside_support
from portfolio.monitoring.prediction_log.address import existing_log
from portfolio.monitoring.tally import Tally
from portfolio.monitoring.verdict import _drifted
from portfolio.scoring.job import Job
from serving.app import create_app
from tests.conftest import made_once
from tests.serving.conftest import example
from tests.workspace import SMALL_CONFIG, collect, make_workspace, run_stage, stage_names, write_use_case

SALES = "sales"
CODE = """
from portfolio.contract import Classes, Csv, Date, Number, Table


class Sales(Table):
    source = Csv(path="sales.csv", key="id", start="2026-01-05", rows_per_day=300)
    target = Classes("returned", ["no", "yes"])
    inputs = [
        Date("sold_on", "2015-01-01", "2030-12-31", description="at the till"),
        Date("born_on", "1920-01-01", "2030-12-31", missing=True),
        Number("price", 0, 100),
    ]
"""
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
def manifest(built_sales: Path) -> Manifest:
    found = Bundle.open(Paths(SALES).best_folder()).manifest
    return found.model_copy(update={"lineage": found.lineage.model_copy(update={"model_version": 1})})


@pytest.fixture
def client(manifest: Manifest, store: Store, unaudited: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("PORTFOLIO_USE_CASE", SALES)
    Store.of(SALES).publish(Paths(SALES).best_folder(), manifest)
    with TestClient(create_app()) as client:
        yield client


SUNDAY: dict[str, Any] = {"sold_on": "2021-06-13", "born_on": None, "price": 5.0}
TUESDAY = SUNDAY | {"sold_on": "2021-06-15"}


def test_rows_are_dates_on_disk_and_days_in_the_graph(built_sales: Path, manifest: Manifest) -> None:
    train = load_split(load_use_case(SALES), "train")
    assert (train.rows.schema["sold_on"], train.inputs["sold_on"].dtype) == (pl.Date, np.float32)
    day = train.rows["sold_on"][0]
    assert train.inputs["sold_on"][0, 0] == (day - date(1970, 1, 1)).days
    assert manifest.golden_inputs["sold_on"][0] == str(day)
    assert None in manifest.golden_inputs["born_on"]


def test_every_candidate_learns_the_day_of_the_week(built_sales: Path) -> None:
    """Each is a bundle, which would have been refused unless its graph answered as its model does."""
    found = json.loads(Paths(SALES).metrics("evaluate").read_text())["candidates"]
    assert {"logistic_regression", "decision_tree", "random_forest", "lightgbm", "network"} <= set(found)
    for name in set(found) - {"constant"}:
        assert found[name]["accuracy"] > 0.85 > found["constant"]["accuracy"], name


def test_what_is_no_date_or_out_of_range_goes_to_quarantine_with_the_reason(built_sales: Path) -> None:
    case = load_use_case(SALES)
    rows = sales(40).with_columns(
        sold_on=pl.Series(["1/31/2021", "2031-01-01", "NA", *["20210131"] * 37]),
        born_on=pl.Series(["2021-02-30", *["nan"] * 39]),
    )
    limits = case.config().validate_.model_copy(update={"max_bad_fraction": 1.0})
    good, bad = check_rows(rows, case.schema(), case, limits)
    assert bad["reason"].to_list() == [
        "sold_on: '1/31/2021' is not a date such as 2026-01-31; "
        "born_on: '2021-02-30' is not a date (day is out of range for month)",
        "sold_on: must be at most 2030-12-31 (found '2031-01-01')",
        "sold_on: is missing",
    ]
    assert set(good["sold_on"]) == {date(2021, 1, 31)}
    typed = sales(3).with_columns(
        sold_on=pl.Series([datetime(2021, 1, 31, 23)] * 3), born_on=pl.Series([None, date(1970, 1, 1), None])
    )
    good, bad = check_rows(typed, case.schema(), case, limits)
    assert (good["sold_on"].to_list(), len(bad)) == ([date(2021, 1, 31)] * 3, 0)


def test_a_row_is_asked_with_its_date_as_text(client: TestClient) -> None:
    found = client.post("/predict?explain=true", json={"instances": [SUNDAY, TUESDAY]}).json()["predictions"]
    assert [one["class"] for one in found] == ["yes", "no"]
    falls = found[0]["explanation"]["falls_by"]
    assert falls["sold_on"] > falls["born_on"], "what day it was is why"
    written_otherwise = [SUNDAY | {"sold_on": text} for text in ("2021/6/13", "2021-06-13T10:00:00", "2021年6月13日")]
    same = client.post("/predict", json={"instances": written_otherwise}).json()["predictions"]
    assert [one["probabilities"] for one in same] == [pytest.approx(found[0]["probabilities"], abs=1e-6)] * 3
    assert example(client)["instances"][0]["sold_on"].startswith("202")
    field = client.get("/openapi.json").json()["components"]["schemas"]["Instance"]["properties"]["sold_on"]
    assert (field["type"], field["format"]) == ("string", "date")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("June", "must be a date such as 2026-01-31"),
        ("6/13/2021", "must be a date such as 2026-01-31"),
        ("2021-02-30", "must be a date such as 2026-01-31"),
        (18791, "must be a date such as 2026-01-31"),
        ("", "must be a date such as 2026-01-31"),
        (None, "must be a date such as 2026-01-31"),
        ("2014-12-31", "must be at least 2015-01-01"),
        ("2031-01-01", "must be at most 2030-12-31"),
    ],
)
def test_a_wrong_date_is_named_with_the_form_that_is_expected(client: TestClient, value: object, message: str) -> None:
    answer = client.post("/predict", json={"instances": [SUNDAY | {"sold_on": value}]})
    assert answer.status_code == 422
    assert answer.json()["error"]["details"] == [{"field": "instances.0.sold_on", "message": message}]


def infer(client: TestClient, datatype: str, data: list[Any]) -> Any:
    tensors = [("sold_on", datatype, data), ("price", "FP32", [5.0] * len(data))]
    inputs = [{"name": name, "shape": [len(data), 1], "datatype": of, "data": each} for name, of, each in tensors]
    return client.post(f"/v2/models/{SALES}/infer", json={"inputs": inputs}).json()


def test_open_inference_takes_dates_as_strings_or_as_days(client: TestClient) -> None:
    stated = {one["name"]: one["datatype"] for one in client.get(f"/v2/models/{SALES}").json()["inputs"]}
    assert stated == {"sold_on": "BYTES", "born_on": "BYTES", "price": "FP32"}
    of_texts = infer(client, "BYTES", ["2021-06-13", "2021-06-15"])["outputs"]
    days = [days_of("2021-06-13"), days_of("2021-06-15")]
    assert infer(client, "INT32", days)["outputs"] == infer(client, "FP32", days)["outputs"] == of_texts
    for datatype, value, error in (
        ("BYTES", "soon", "sold_on.1: must be a date such as 2026-01-31."),
        ("BYTES", "", "sold_on.1: must be a date such as 2026-01-31."),
        ("BYTES", "2031-01-01", "sold_on.1: values must be at most 2030-12-31."),
        ("FP32", 18791.5, "sold_on: days since 1970-01-01 must be whole numbers."),
    ):
        assert (
            infer(client, datatype, [of_texts and (days[0] if datatype == "FP32" else "2021-06-13"), value])["error"]
            == error
        )


def test_mlflow_s_protocol_takes_dates_as_text(client: TestClient) -> None:
    as_csv = "sold_on,born_on,price\n2021/6/13,NA,5\n2021-06-15 10:00,,5\n"
    answer = client.post("/invocations", content=as_csv, headers={"Content-Type": "text/csv"}).json()
    split = {"columns": ["sold_on", "price"], "data": [["2021-06-13T00:00:00", 5.0], ["2021-06-15", 5.0]]}
    for found in (answer, client.post("/invocations", json={"dataframe_split": split}).json()):
        assert [one["class"] for one in found["predictions"]] == ["yes", "no"]


def test_what_people_label_is_shown_and_learned_from_as_a_date(client: TestClient, manifest: Manifest) -> None:
    asked = client.post("/predict", json={"instances": [TUESDAY, TUESDAY | {"born_on": "1960-01-31"}]}).json()
    assert {one["decision"] for one in asked["predictions"]} == {"person"}
    labels = [{"request_id": asked["request_id"], "row": row, "label": "no"} for row in (0, 1)]
    assert client.post("/feedback", json=labels[0]).status_code == 201
    queue = client.get("/monitor/queue").json()
    assert queue["rows"][0]["inputs"] == TUESDAY | {"born_on": "1960-01-31"}
    assert client.post("/feedback", json=labels[1]).status_code == 201
    case = load_use_case(SALES)
    taken = take_feedback(case, case.config().retrain, existing_log(SALES, ""), Path("labels"))
    assert taken.path is not None
    rows = pl.read_parquet(taken.path)
    assert rows["sold_on"].to_list() == [date(2021, 6, 15)] * 2
    assert rows["born_on"].to_list() == [None, date(1960, 1, 31)]
    assert rows[REFUSED].null_count() == 2


def test_files_of_rows_have_dates_as_text_or_as_dates(client: TestClient, manifest: Manifest, tmp_path: Path) -> None:
    rows = pl.DataFrame({"id": ["a", "b"], "sold_on": ["2021/6/13", "June"], "born_on": ["NA", "NA"], "price": [5, 5]})
    rows.write_csv(tmp_path / "texts.csv")
    dates = [datetime(2021, 6, 13, 9), datetime(2031, 1, 1)]
    rows.with_columns(sold_on=pl.Series(dates)).write_parquet(tmp_path / "dates.parquet")
    for name, reason in (
        ("texts.csv", "sold_on: 'June' is not a date such as 2026-01-31"),
        ("dates.parquet", "sold_on: must be at most 2030-12-31"),
    ):
        target = tmp_path / f"{name}.scored.parquet"
        assert Job(SALES, tmp_path / name, target).run().reasons == {reason: 1}
        assert pl.read_parquet(target)["class"].to_list() == ["yes"]
        form = name.rpartition(".")[2]
        sent = read_rows(io.BytesIO((tmp_path / name).read_bytes()), form, manifest.inputs, lambda names: None)
        assert next(sent)["sold_on"] == "2021-06-13"
    with pytest.raises(DataError, match="Row 2: sold_on: 'June' is not a date such as 2026-01-31"):
        list(read_rows(io.BytesIO((tmp_path / "texts.csv").read_bytes()), "csv", manifest.inputs, lambda names: None))


def test_the_monitor_tells_in_dates_how_they_moved(built_sales: Path, manifest: Manifest) -> None:
    tallies = {name: Tally(reference) for name, reference in input_references(manifest).items()}
    later = load_split(load_use_case(SALES), "test").inputs
    later["sold_on"] = later["sold_on"] + 1000
    for name, values in input_values(manifest, later).items():
        tallies[name].add(values)
    found = drifts(tallies)
    assert (found[0]["field"], found[0]["of"], found[0]["drifted"]) == ("sold_on", "median", True)
    before, after = (date.fromisoformat(found[0][end]) for end in ("from", "to"))
    assert after - before > timedelta(days=900)
    (moved,) = [reason for reason in _drifted({"drift": found}) if reason.figures["field"] == "sold_on"]
    for language in ("en", "ja"):
        assert f"{before}" in moved.told(language)
        assert f"{after}" in moved.told(language)


def test_that_time_goes_on_makes_no_row_strange(built_sales: Path, manifest: Manifest) -> None:
    inputs = load_split(load_use_case(SALES), "test").inputs
    later = inputs | {"sold_on": inputs["sold_on"] + 1000}
    assert inside_support(manifest, later).tolist() == inside_support(manifest, inputs).tolist()


def test_the_report_has_dates_and_no_days(built_sales: Path) -> None:
    page = (Paths(SALES).report / "index.html").read_text()
    bundle = Bundle.open(Paths(SALES).best_folder())
    test = load_split(load_use_case(SALES), "test")
    least = int(np.argmin(bundle.decider(bundle.predict(test.inputs)).certainty))
    assert f"<td>{test.rows['sold_on'][least]}</td>" in page
