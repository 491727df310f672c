"""MLflow's scoring protocol, in all of its forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from portfolio.bundle.store import Store
from serving.app import create_app
from tests.serving.conftest import table_bundle

PIXELS = [4.0, 3.0, 2.0, 1.0]


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [{"pixels": PIXELS}]},
        {"instances": [PIXELS]},
        {"instances": [[[4, 3], [2, 1]]]},
        {"inputs": [PIXELS]},
        {"inputs": {"pixels": [PIXELS]}},
        {"inputs": {"pixels": [[[4, 3], [2, 1]]]}},
        {"dataframe_split": {"columns": ["pixels"], "data": [[PIXELS]]}},
        {"dataframe_split": {"index": [7], "columns": ["pixels"], "data": [[PIXELS]]}},
        {"dataframe_records": [{"pixels": PIXELS}]},
        {"dataframe_records": [{"pixels": PIXELS}], "params": {}},
        {"dataframe_records": [{"pixels": PIXELS, "id": 7, "side": "left"}]},
        {"dataframe_split": {"columns": ["id", "pixels"], "data": [[7, PIXELS]]}},
    ],
)
def test_every_form_gets_the_answer_of_predict(client: TestClient, body: Any) -> None:
    expected = client.post("/predict", json={"instances": [{"pixels": PIXELS}]}).json()["predictions"]
    answer = client.post("/invocations", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"predictions": expected, "request_id": answer.headers["X-Request-ID"]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "body"),
        ({}, "body"),
        ({"rows": []}, "rows"),
        ({"instances": [PIXELS], "inputs": [PIXELS]}, "instances"),
        ({"instances": []}, "instances"),
        ({"instances": 3}, "instances"),
        ({"instances": [[1, 2, 3]]}, "instances.0.pixels"),
        ({"instances": [{"pixels": [1, 2, 3, "4"]}]}, "instances.0.pixels.3"),
        ({"inputs": {"pixels": [PIXELS], "other": [1, 2]}}, "inputs"),
        ({"inputs": {"ink": [PIXELS]}}, "inputs.0.pixels"),
        ({"dataframe_split": {"columns": ["pixels"]}}, "dataframe_split"),
        ({"dataframe_split": {"columns": ["pixels"], "data": [[PIXELS, 1]]}}, "dataframe_split.data.0"),
        ({"dataframe_split": {"columns": "pixels", "data": []}}, "dataframe_split.columns"),
        (
            {"dataframe_split": {"columns": ["pixels", "pixels"], "data": [[[0, 0, 0, 0], PIXELS]]}},
            "dataframe_split.columns",
        ),
        ({"dataframe_records": {"pixels": PIXELS}}, "dataframe_records"),
        ({"dataframe_records": [{"pixel": PIXELS}]}, "dataframe_records.0.pixels"),
    ],
)
def test_what_does_not_fit_is_named(client: TestClient, body: Any, field: str) -> None:
    answer = client.post("/invocations", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["details"][0]["field"] == field


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(client: TestClient, number: str) -> None:
    body = f'{{"instances": [[1, 2, 3, {number}]]}}'
    assert client.post("/invocations", content=body, headers={"Content-Type": "application/json"}).status_code == 422


def test_it_says_that_it_is_there(client: TestClient) -> None:
    assert client.get("/ping").status_code == 200


TABLE = {"columns": ["id", "age", "town", "note", "bought"], "data": [[1, 30, "A", "good", "yes"]]}


def table(client: TestClient, content: Any, kind: str = "application/json") -> Any:
    raw = content if isinstance(content, (str, bytes)) else json.dumps(content)
    return client.post("/invocations", content=raw, headers={"Content-Type": kind})


def test_what_mlflows_client_makes_of_a_frame_is_taken(table_client: TestClient) -> None:
    """Whole rows, with the target and an id, and NaN where a value is missing."""
    expected = table_client.post("/predict", json={"instances": [{"age": 30, "town": "A", "note": "good"}]}).json()
    assert table(table_client, {"dataframe_split": TABLE}).json()["predictions"] == expected["predictions"]
    missing = {**TABLE, "data": [[1, float("nan"), float("nan"), None, "yes"]]}
    answer = table(table_client, {"dataframe_split": missing})
    assert answer.status_code == 200, answer.text
    assert (
        table(table_client, {"dataframe_split": {**TABLE, "data": [[1, float("inf"), "A", "", ""]]}}).status_code == 422
    )


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv_is_taken(table_client: TestClient, mark: str) -> None:
    rows = [{"age": 30, "town": "A", "note": "good"}, {"age": None, "town": "B", "note": 'a "b", c'}]
    expected = table_client.post("/predict", json={"instances": rows}).json()["predictions"]
    content = mark + 'id,age,town,note\n1,30,A,good\n2,,B,"a ""b"", c"\n'
    answer = table(table_client, content.encode(), "text/csv; charset=utf-8")
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no rows"),
        ("age,town,note\n", "no rows"),
        ("age,town,note\nold,A,x\n", "Row 1: age is 'old'"),
        ("age,town,note\n1,A\n", "Row 1 does not have one value"),
        ("ages,town,note\n1,A,x\n", "ages: no such input, and the input age is missing"),
        (b"age,town,note\n1,\xff,x\n", "UTF-8"),
        ("age,town,note\n" + "1,A,x\n" * 1001, "at most 1,000"),
    ],
)
def test_csv_that_does_not_fit_is_named(table_client: TestClient, content: str | bytes, words: str) -> None:
    answer = table(table_client, content, "text/csv")
    assert answer.status_code == 422
    assert words in answer.json()["error"]["message"]


def test_a_number_in_csv_that_may_be_another_is_refused(store: Store, tmp_path: Path) -> None:
    """Where the model learned from files with a point between thousands; in JSON, a number is one."""
    bundle = table_bundle(tmp_path / "table", unsure_marks=",.")
    store.publish(bundle.folder, bundle.manifest)
    with TestClient(create_app()) as client:
        answer = table(client, "age,town,note\n1.200,A,x\n", "text/csv")
        assert answer.status_code == 422
        assert "age is '1.200', which may be 1200 or 1.200" in answer.json()["error"]["message"]
        assert table(client, "age,town,note\n1.2,A,x\n", "text/csv").status_code == 200
        assert table(client, {"instances": [{"age": 1.234, "town": "A", "note": "x"}]}).status_code == 200


def test_a_misspelled_column_is_not_taken_for_one_to_leave_out(table_client: TestClient) -> None:
    answer = table(table_client, {"dataframe_records": [{"ages": 30, "town": "A", "note": "good"}]})
    assert answer.status_code == 422
    assert "misspelled" in answer.json()["error"]["message"]


def test_what_mlflows_client_asks_first_is_there(client: TestClient) -> None:
    assert client.get("/health").status_code == 200
    version = client.get("/version")
    assert version.status_code == 200
    assert version.text.count(".") >= 2


@pytest.mark.parametrize("path", ["/predict", "/invocations", "/v2/models/toy/infer", "/feedback"])
def test_a_byte_order_mark_is_skipped(client: TestClient, path: str) -> None:
    answer = client.post("/predict", json={"instances": [{"pixels": PIXELS}]})
    bodies: dict[str, Any] = {
        "/feedback": {"request_id": answer.json()["request_id"], "label": "left"},
        "/v2/models/toy/infer": {"inputs": [{"name": "pixels", "shape": [1, 4], "datatype": "FP32", "data": PIXELS}]},
    }
    body = json.dumps(bodies.get(path, {"instances": [{"pixels": PIXELS}]})).encode("utf-8-sig")
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.is_success, answer.text
