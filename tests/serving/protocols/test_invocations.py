"""MLflow's scoring protocol, in all of its forms."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

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
    ],
)
def test_every_form_gets_the_answer_of_predict(client: TestClient, body: Any) -> None:
    expected = client.post("/predict", json={"instances": [{"pixels": PIXELS}]}).json()["predictions"]
    answer = client.post("/invocations", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"predictions": expected}


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
        ({"dataframe_records": [{"pixels": PIXELS, "more": 1}]}, "dataframe_records.0.more"),
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
