"""Feedback as a client sends it."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from portfolio.bundle.bundle import Bundle, write_bundle
from portfolio.bundle.manifest import Output
from portfolio.bundle.policy import Decider, Policy, Prices
from portfolio.bundle.store import Store
from serving.app import create_app
from serving.errors import RequestError
from serving.record.feedback import Judge
from serving.record.recorder import GATHER_SECONDS
from serving.settings import Settings
from tests.serving.conftest import services
from tests.tiny import tiny_bundle

JSON = {"Content-Type": "application/json"}
INSTANCES = {"instances": [{"pixels": [4, 3, 2, 1]}, {"pixels": [1, 2, 3, 4]}]}


@pytest.fixture
def request_id(client: TestClient) -> str:
    return str(client.post("/predict", json=INSTANCES).json()["request_id"])


def give(client: TestClient, **body: Any) -> Any:
    return client.post("/feedback", json=body)


def test_a_label_is_stored_and_counted(client: TestClient, request_id: str) -> None:
    first = give(client, request_id=request_id, label="left")
    assert first.status_code == 201
    stored = {"request_id": request_id, "row": 0, "label": "left", "right": True, "outcome": "stored"}
    assert first.json()["stored"] == stored
    assert give(client, request_id=request_id, row=1, label="left").json()["stored"]["right"] is False
    stats = client.get("/stats").json()
    assert (stats["predictions"], stats["feedback_right"], stats["feedback_wrong"]) == (2, 1, 1)


def test_the_same_label_again_is_fine_and_another_one_only_as_a_correction(
    client: TestClient, request_id: str, store: Store
) -> None:
    assert give(client, request_id=request_id, label="left").status_code == 201
    again = give(client, request_id=request_id, label="left")
    assert (again.status_code, again.json()["stored"]["outcome"]) == (200, "unchanged")
    other = give(client, request_id=request_id, label="right")
    assert other.status_code == 409
    assert '"correction": true' in other.json()["error"]["message"]
    corrected = give(client, request_id=request_id, label="right", correction=True)
    assert (corrected.status_code, corrected.json()["stored"]["outcome"]) == (200, "corrected")
    assert corrected.json()["stored"]["right"] is False
    assert give(client, request_id=request_id, label="left", correction=True).status_code == 200
    with sqlite3.connect(Settings.from_environment().log_address.removeprefix("sqlite:///")) as log:
        assert log.execute("select label, right from feedback").fetchall() == [('"left"', 1)]
        history = log.execute("select label, right from feedback_history order by replaced_at").fetchall()
        assert history == [('"left"', 1), ('"right"', 0)]


def test_of_several_corrections_of_a_row_in_one_request_the_last_one_holds(client: TestClient, request_id: str) -> None:
    assert give(client, request_id=request_id, label="left").status_code == 201
    labels = [{"request_id": request_id, "label": label, "correction": True} for label in ("right", "left", "right")]
    answer = give(client, labels=labels)
    assert answer.status_code == 200
    found = [(one["label"], one["right"], one["outcome"]) for one in answer.json()["labels"]]
    assert found == [("right", False, "corrected"), ("left", True, "corrected"), ("right", False, "corrected")]
    with sqlite3.connect(Settings.from_environment().log_address.removeprefix("sqlite:///")) as log:
        assert log.execute("select label, right from feedback").fetchall() == [('"right"', 0)]
        history = log.execute("select label, right from feedback_history order by replaced_at").fetchall()
        assert history == [('"left"', 1), ('"right"', 0), ('"left"', 1)]


def verdicts(client: TestClient) -> tuple[int, int, int]:
    """How many labels count, and how many of them say that the answer was right, and wrong."""
    stats = client.get("/stats").json()
    return stats["feedback"], stats["feedback_right"], stats["feedback_wrong"]


def test_a_corrected_label_counts_as_it_is_now(client: TestClient, request_id: str) -> None:
    give(client, request_id=request_id, label="left")
    assert verdicts(client) == (1, 1, 0)
    give(client, request_id=request_id, label="right", correction=True)
    assert verdicts(client) == (1, 0, 1)
    text = client.get("/metrics").text
    assert 'portfolio_labels{answer="right"} 0.0' in text
    assert 'portfolio_labels{answer="wrong"} 1.0' in text
    # What Prometheus takes for a counter never falls.
    assert 'portfolio_feedback_total{outcome="right"} 1.0' in text
    assert 'portfolio_feedback_total{outcome="corrected"} 1.0' in text
    give(client, request_id=request_id, label="right", correction=True)
    assert verdicts(client) == (1, 0, 1)
    labels = [{"request_id": request_id, "label": label, "correction": True} for label in ("left", "right", "left")]
    give(client, labels=labels)
    assert verdicts(client) == (1, 1, 0)


def test_a_correction_of_a_label_from_before_the_start_takes_nothing_from_what_came_since(
    client: TestClient, request_id: str
) -> None:
    give(client, request_id=request_id, label="left")
    with TestClient(create_app()) as restarted:
        give(restarted, request_id=request_id, row=1, label="right")
        assert verdicts(restarted) == (1, 1, 0)
        give(restarted, request_id=request_id, label="right", correction=True)
        assert verdicts(restarted) == (2, 1, 1)


def test_many_labels_are_sent_at_once_and_each_is_told_apart(client: TestClient, request_id: str) -> None:
    labels = [
        {"request_id": request_id, "label": "left"},
        {"request_id": request_id, "row": 1, "label": "left"},
        {"request_id": request_id, "row": 2, "label": "left"},
        {"request_id": "0" * 32, "label": "left"},
        {"request_id": request_id, "label": "up"},
        {"request_id": request_id, "label": "left"},
        {"request_id": request_id, "label": "right"},
    ]
    answer = give(client, labels=labels)
    assert answer.status_code == 207
    found = answer.json()
    assert [one.get("outcome") or one["error"]["code"] for one in found["labels"]] == [
        "stored",
        "stored",
        "unknown_request",
        "unknown_request",
        "invalid_request",
        "unchanged",
        "second_label",
    ]
    assert found["refused"] == 4
    assert [one.get("right") for one in found["labels"][:2]] == [True, False]
    assert give(client, labels=labels[:2]).status_code == 200
    assert give(client, labels=[labels[0]] * 1001).status_code == 422
    assert give(client, labels=[]).status_code == 422


def test_a_label_may_name_its_answer_by_the_callers_own_id(client: TestClient) -> None:
    for name in ("order-7", "order-8", "order-8"):
        client.post("/predict", json=INSTANCES, headers={"X-Request-ID": name})
    stored = give(client, callers_id="order-7", label="left")
    assert stored.status_code == 201
    assert stored.json()["stored"]["right"] is True
    twice = give(client, callers_id="order-8", label="left")
    assert twice.status_code == 409
    ids = re.findall("[0-9a-f]{32}", twice.json()["error"]["message"])
    assert len(ids) == 2
    assert give(client, request_id=ids[0], label="left").status_code == 201
    assert give(client, callers_id="order-9", label="left").status_code == 404
    assert give(client, callers_id="order-7", request_id=ids[0], label="left").status_code == 422


@pytest.mark.alone
def test_ten_thousand_labels_take_less_than_a_minute_on_one_connection(client: TestClient) -> None:
    """In requests of a thousand. One by one, none waits for others that could share its commit."""
    rows = {"instances": [{"pixels": [4, 3, 2, 1]}] * 1000}
    ids = [client.post("/predict", json=rows).json()["request_id"] for _ in range(2)]
    started, count = time.monotonic(), 200
    for row in range(count):
        assert give(client, request_id=ids[0], row=row, label="left").status_code == 201
    assert (time.monotonic() - started) / count < GATHER_SECONDS / 2
    several = [{"request_id": ids[1], "row": row, "label": "left"} for row in range(1000)]
    started = time.monotonic()
    assert give(client, labels=several).json()["refused"] == 0
    assert time.monotonic() - started < 6


def other_classes(folder: Path, *classes: str) -> Bundle:
    """Version 2, in which the same answer means another class."""
    two = tiny_bundle(folder, 0.0, 2)
    output = two.manifest.output.model_copy(update={"classes": classes})
    write_bundle(folder, (folder / "model.onnx").read_bytes(), two.manifest.model_copy(update={"output": output}))
    return Bundle.open(folder)


def swap(client: TestClient, store: Store, bundle: Bundle) -> None:
    """Serve another bundle from now on."""
    store.publish(bundle.folder, bundle.manifest)
    services(client).watcher.refresh()


def test_a_label_is_judged_by_the_bundle_that_answered(
    client: TestClient, request_id: str, store: Store, tmp_path: Path
) -> None:
    swap(client, store, other_classes(tmp_path / "two", "right", "left"))
    assert give(client, request_id=request_id, label="left").json()["stored"]["right"] is True
    later = client.post("/predict", json=INSTANCES).json()
    assert later["predictions"][0]["class"] == "right"
    assert give(client, request_id=later["request_id"], label="right").json()["stored"]["right"] is True


def test_classes_are_those_of_the_bundle_that_answered(
    client: TestClient, request_id: str, store: Store, tmp_path: Path
) -> None:
    swap(client, store, other_classes(tmp_path / "two", "up", "down"))
    assert give(client, request_id=request_id, label="up").status_code == 422
    assert give(client, request_id=request_id, label="left").status_code == 201


def test_without_a_champion_labels_are_taken(client: TestClient, request_id: str) -> None:
    services(client).watcher.current = None
    assert client.get("/readyz").status_code == 503
    assert give(client, request_id=request_id, label="left").json()["stored"]["right"] is True


def test_where_the_bundle_is_gone_nobody_says_whether_the_answer_was_right(
    client: TestClient, request_id: str, store: Store
) -> None:
    shutil.rmtree(store.folder / "bundles")
    stored = give(client, request_id=request_id, label="left")
    assert (stored.status_code, stored.json()["stored"]["right"]) == (201, None)


def test_a_draft_is_answered_and_neither_counted_nor_known(client: TestClient) -> None:
    answer = client.post("/predict?draft=true", json=INSTANCES).json()
    assert len(answer["predictions"]) == 2
    assert client.get("/stats").json()["predictions"] == 0
    assert give(client, request_id=answer["request_id"], label="left").status_code == 404


def test_an_unknown_id_and_an_impossible_label_are_told_apart(client: TestClient, request_id: str) -> None:
    found = [
        give(client, request_id="0" * 32, label="left"),
        give(client, request_id=request_id, row=2, label="left"),
        give(client, request_id=request_id, row=1, label="up"),
        give(client, request_id=request_id, row=1, label=3),
    ]
    assert [answer.status_code for answer in found] == [404, 404, 422, 422]
    assert "left, right" in found[-1].json()["error"]["message"]
    assert client.get("/stats").json()["feedback"] == 0


@pytest.mark.parametrize(
    "body", [{}, {"request_id": "x", "label": "left"}, {"request_id": "0" * 32}, {"request_id": 3, "label": "left"}, []]
)
def test_what_is_no_feedback_is_refused(client: TestClient, body: Any) -> None:
    assert client.post("/feedback", json=body).status_code == 422


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"labels": ["left"]}, "labels.0: must be a JSON object."),
        ({"labels": []}, "labels: the length must be at least 1."),
        ({"request_id": "0" * 32, "label": None}, "label: must be a class, or a finite number."),
        ({"request_id": "0" * 32, "label": []}, "label: must be a class, or a finite number."),
        ({"request_id": "0" * 32, "label": 10**400}, "label: must be a class, or a finite number."),
        ({"request_id": "0" * 32, "label": "left", "row": -1}, "row: must be at least 0."),
        ({"label": "left"}, "body: needs either request_id or callers_id."),
        ({"request_id": "0" * 32}, "label: this field is missing."),
        ({"request_id": "0" * 32, "label": "left", "rows": 1}, "rows: there is no such field."),
    ],
)
def test_what_is_wrong_with_feedback_is_said_in_plain_words(client: TestClient, body: Any, message: str) -> None:
    error = client.post("/feedback", content=json.dumps(body), headers=JSON).json()["error"]
    assert error["message"] == f"{message} See /docs for an example."
    assert len(error["details"]) == 1


@pytest.mark.parametrize("path", ["/feedback", "/monitor/feedback"])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_labels_come_as_json_alone_which_no_page_of_another_site_can_send(
    client: TestClient, request_id: str, path: str, kind: str | None
) -> None:
    content = json.dumps({"request_id": request_id, "label": "left"})
    answer = client.post(path, content=content, headers={} if kind is None else {"Content-Type": kind})
    assert answer.status_code == 415
    assert "Content-Type: application/json" in answer.json()["error"]["message"]
    assert client.get("/stats").json()["feedback"] == 0
    assert give(client, request_id=request_id, label="left").status_code == 201


def test_too_much_is_refused(client: TestClient) -> None:
    assert client.post("/feedback", content=b" " * 300_000).status_code == 413


def judge_of(manifest: Any) -> Judge:
    """One that knows a single bundle, "a"."""
    judge = Judge(Store(Path("nowhere")))
    judge._manifests._known["a"] = manifest
    return judge


def label_of(output: Output, label: Any) -> Any:
    judge = judge_of(SimpleNamespace(output=output, decider=lambda: Decider(None, output.classes, ()), policy=None))
    return judge.verdict("a", [1.0] if output.task == "regression" else [0.25] * 4, label)[0]


@pytest.mark.parametrize(("label", "stored"), [(0, "0"), (1.0, "1"), ("1", "1"), (True, "true"), ("false", "false")])
def test_a_class_may_be_sent_as_the_number_or_boolean_that_it_is_in_the_data(label: Any, stored: str) -> None:
    output = Output(task="classification", name="survived", classes=("0", "1", "true", "false"))
    assert label_of(output, label) == stored


@pytest.mark.parametrize("label", ["3", True])
def test_a_value_is_a_number(label: Any) -> None:
    output = Output(task="regression", name="rent", unit="USD")
    assert label_of(output, 3) == 3
    with pytest.raises(RequestError):
        label_of(output, label)


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        ({"minimum": 0.0, "maximum": 4000.0}, "must be between 0 and 4000: rent, in USD"),
        ({"minimum": 0.0}, "must be at least 0: rent, in USD"),
        ({"maximum": 1e9}, "must be at most 1000000000: rent, in USD"),
    ],
)
def test_a_value_beyond_the_declared_bounds_is_refused_with_them(bounds: dict[str, float], told: str) -> None:
    output = Output(task="regression", name="rent", unit="USD", **bounds)
    assert [label_of(output, label) for label in bounds.values()] == list(bounds.values())
    with pytest.raises(RequestError, match=told):
        label_of(output, -5 if "minimum" in bounds else 1.1e9)


def test_a_value_is_right_within_the_tolerance() -> None:
    policy = Policy(prices=Prices(by_hand_yen=1, check_yen=1, error_yen=1), tolerance=20.0)
    judge = judge_of(SimpleNamespace(output=Output(task="regression", name="rent", unit="USD"), policy=policy))
    assert [judge.verdict("a", [500.0, 80.0], label)[1] for label in (480, 520.0, 479)] == [True, True, False]
