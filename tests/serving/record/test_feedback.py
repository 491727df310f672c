"""Feedback as a client sends it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from portfolio.bundle.manifest import Output
from serving.errors import RequestError
from serving.record.feedback import read_feedback

INSTANCES = {"instances": [{"pixels": [4, 3, 2, 1]}, {"pixels": [1, 2, 3, 4]}]}


@pytest.fixture
def request_id(client: TestClient) -> str:
    return str(client.post("/predict", json=INSTANCES).json()["request_id"])


def give(client: TestClient, **body: Any) -> Any:
    return client.post("/feedback", json=body)


def test_a_label_is_stored_and_counted(client: TestClient, request_id: str) -> None:
    first = give(client, request_id=request_id, label="left")
    assert first.status_code == 201
    assert first.json()["stored"] == {"request_id": request_id, "row": 0, "label": "left", "right": True}
    assert give(client, request_id=request_id, row=1, label="left").json()["stored"]["right"] is False
    stats = client.get("/stats").json()
    assert (stats["predictions"], stats["feedback_right"], stats["feedback_wrong"]) == (2, 1, 1)


def test_a_draft_is_answered_and_neither_counted_nor_known(client: TestClient) -> None:
    answer = client.post("/predict?draft=true", json=INSTANCES).json()
    assert len(answer["predictions"]) == 2
    assert client.get("/stats").json()["predictions"] == 0
    assert give(client, request_id=answer["request_id"], label="left").status_code == 404


def test_an_unknown_id_a_second_label_and_an_impossible_one_are_told_apart(client: TestClient, request_id: str) -> None:
    assert give(client, request_id=request_id, label="left").status_code == 201
    found = [
        give(client, request_id="0" * 32, label="left"),
        give(client, request_id=request_id, row=2, label="left"),
        give(client, request_id=request_id, label="right"),
        give(client, request_id=request_id, label="left"),
        give(client, request_id=request_id, row=1, label="up"),
        give(client, request_id=request_id, row=1, label=3),
    ]
    assert [answer.status_code for answer in found] == [404, 404, 409, 409, 422, 422]
    assert "left, right" in found[-1].json()["error"]["message"]
    assert client.get("/stats").json()["feedback"] == 1


@pytest.mark.parametrize(
    "body", [{}, {"request_id": "x", "label": "left"}, {"request_id": "0" * 32}, {"request_id": 3, "label": "left"}, []]
)
def test_what_is_no_feedback_is_refused(client: TestClient, body: Any) -> None:
    assert client.post("/feedback", json=body).status_code == 422


def test_too_much_is_refused(client: TestClient) -> None:
    assert client.post("/feedback", content=b" " * 100_000).status_code == 413


def label_of(output: Output, label: Any) -> Any:
    body = json.dumps({"request_id": "0" * 32, "label": label}).encode()
    return read_feedback(body, SimpleNamespace(output=output)).label  # type: ignore[arg-type]


@pytest.mark.parametrize(("label", "stored"), [(0, "0"), (1.0, "1"), ("1", "1"), (True, "true"), ("false", "false")])
def test_a_class_may_be_sent_as_the_number_or_boolean_that_it_is_in_the_data(label: Any, stored: str) -> None:
    output = Output(task="classification", name="survived", classes=("0", "1", "true", "false"))
    assert label_of(output, label) == stored


@pytest.mark.parametrize("label", ["3", True, None])
def test_a_value_is_a_number(label: Any) -> None:
    output = Output(task="regression", name="rent", unit="USD")
    assert label_of(output, 3) == 3
    with pytest.raises(RequestError):
        label_of(output, label)
