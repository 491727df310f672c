"""What the operator's page is given: looks, events, the rows that wait for a label; and the same for Prometheus."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event as Flag
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from portfolio.bundle.store import Store
from portfolio.monitoring.looks import Event, Look, Looks, Reason
from portfolio.monitoring.prediction_log.log import PredictionLog
from portfolio.monitoring.prediction_log.tables import predictions
from serving.app import create_app
from serving.front.exchange import new_request_id
from serving.front.security import hashed
from serving.record import backlog, watch
from serving.settings import Settings
from tests.monitoring.test_prediction_log import record
from tests.serving.conftest import table_bundle
from tests.tiny import CAREFUL, publish, tiny_bundle

SURE = {"instances": [{"pixels": [16, 16, 0, 0]}]}
DRIFTED = {"p": 1e-6, "adjusted_p": 1e-5, "effect": 0.5, "drifted": True}
ALL_AUDITED = CAREFUL.model_copy(update={"audit_share": 1.0})


@pytest.fixture
def looks(store: Store) -> Iterator[Looks]:
    found = Looks(Settings.from_environment().log_address)
    yield found
    found.close()


@pytest.fixture
def audited(store: Store, tmp_path: Path) -> Iterator[TestClient]:
    """Every answer of the machine is audited."""
    bundle = tiny_bundle(tmp_path / "one", version=1, policy=ALL_AUDITED)
    store.publish(bundle.folder, bundle.manifest)
    with TestClient(create_app()) as client:
        yield client


def served_digest(client: TestClient) -> str:
    found: str = client.get("/model").json()["digest"]
    return found


def look(digest: str, hours_ago: float = 1, **changes: Any) -> Look:
    end = datetime.now(UTC) - timedelta(hours=hours_ago)
    seen = {"value": 3.0, "low": 2.5, "high": 3.5, "labels": 40}
    figures = {
        "yen_per_1000": {"promised": 4.0, "estimated": {"value": 3.8, "low": 3.7, "high": 3.9, "trusted": True}},
        "quality": {"name": "accuracy", "promised": 0.9, "estimated": None, "seen": seen},
        "machine_share": 0.8,
        "drift": [
            {"field": "pixels", "summary": "brightness", "of": "median", "from": 0.2, "to": 0.4, **DRIFTED},
            {"field": "(output)", "summary": "answer", "of": "left", "from": 0.5, "to": 0.25, **DRIFTED},
            {
                "field": "town",
                "summary": "value",
                "of": "(missing)",
                "from": 0.0,
                "to": 0.01,
                **DRIFTED,
                "drifted": False,
            },
        ],
        "harm": {"evidence": 5.0, "threshold": 20.0},
        "state": {"evidence": [1.0] * 1000},
    }
    return Look(
        **{
            "start": end - timedelta(hours=1),
            "end": end,
            "looked_at": end,
            "model_version": 1,
            "digest": digest,
            "rows": 100,
            "labels": 5,
            "verdict": "warn",
            "reasons": (Reason("drift", {"fields": "pixels"}),),
            "figures": figures,
            **changes,
        }
    )


def written(client: TestClient, count: int) -> Any:
    """The queue, once so many rows wait."""
    deadline = time.monotonic() + 10
    while (found := client.get("/monitor/queue").json())["waiting"] != count:
        assert time.monotonic() < deadline, found
    return found


# Audits


def test_an_audited_answer_says_so_in_every_protocol(audited: TestClient) -> None:
    for path, body in (("/predict", SURE), ("/invocations", SURE)):
        (prediction,) = audited.post(path, json=body).json()["predictions"]
        assert (prediction["decision"], prediction["audit"]) == ("machine", True)
    tensor = {"name": "pixels", "shape": [2, 4], "datatype": "FP32", "data": [16, 16, 0, 0, 8, 8, 8, 8]}
    answer = audited.post("/v2/models/toy/infer", json={"inputs": [tensor]}).json()
    decisions = next(output["data"] for output in answer["outputs"] if output["name"] == "decision")
    assert decisions == ["machine", "person"]
    assert answer["parameters"]["audit"] == "[0]"
    text = audited.get("/metrics").text
    assert "portfolio_audited_total 3.0" in text
    assert 'portfolio_decisions_total{by="machine"} 3.0' in text
    document = audited.get("/openapi.json").json()["paths"]["/predict"]["post"]["responses"]["200"]
    assert '"audit"' in str(document).replace("'", '"')


def test_a_draft_takes_no_label_and_is_not_audited(audited: TestClient) -> None:
    (prediction,) = audited.post("/predict?draft=true", json=SURE).json()["predictions"]
    assert prediction["decision"] == "machine"
    assert "audit" not in prediction


def test_an_answer_that_is_not_audited_says_nothing_of_it(client: TestClient) -> None:
    assert "audit" not in client.post("/predict", json=SURE).json()["predictions"][0]
    assert "portfolio_audited_total 0.0" in client.get("/metrics").text


# The queue


def test_the_queue_has_the_rows_without_a_label_as_the_form_takes_them(audited: TestClient) -> None:
    rows = [{"pixels": [16, 16, 0, 0]}, {"pixels": [8, 8, 8, 8.5]}]
    ids = [audited.post("/predict", json={"instances": rows}).json()["request_id"] for _ in range(2)]
    found = written(audited, 4)
    assert [(row["request_id"], row["row"]) for row in found["rows"]] == [(one, row) for one in ids for row in (0, 1)]
    assert [row["inputs"] for row in found["rows"]] == rows * 2
    (model,) = found["models"].values()
    assert model["output"]["classes"] == ["left", "right"]
    assert model["inputs"][0]["shape"] == [2, 2]
    answer = audited.post("/monitor/feedback", json={"request_id": ids[0], "row": 1, "label": "left"})
    assert (answer.status_code, answer.json()["stored"]["label"]) == (201, "left")
    assert written(audited, 3)["rows"][1]["request_id"] == ids[1]
    assert len(audited.get("/monitor/queue", params={"limit": 1}).json()["rows"]) == 1
    assert audited.get("/monitor/queue", params={"limit": 1000}).status_code == 422


def test_a_missing_value_is_null_and_a_text_is_a_text(store: Store, tmp_path: Path) -> None:
    bundle = table_bundle(tmp_path / "table")
    manifest = bundle.manifest.model_copy(update={"policy": ALL_AUDITED})
    store.publish(bundle.folder, manifest)
    with TestClient(create_app()) as client:
        client.post("/predict", json={"instances": [{"age": None, "town": "A", "note": "fine"}]})
        (row,) = written(client, 1)["rows"]
    assert row["inputs"] == {"age": None, "town": "A", "note": "fine"}


def test_what_a_model_answered_that_is_gone_can_still_be_labelled(audited: TestClient, store: Store) -> None:
    request_id = audited.post("/predict", json=SURE).json()["request_id"]
    found = written(audited, 1)
    assert list(found["models"]) == [found["rows"][0]["digest"]]
    services = audited.app.app.state.services  # type: ignore[attr-defined]
    services.watch._manifests = watch.Manifests(Store(store.folder.parent / "none"))
    again = audited.get("/monitor/queue").json()
    assert (again["models"], len(again["rows"])) == ({}, 1)
    assert audited.post("/monitor/feedback", json={"request_id": request_id, "label": "left"}).status_code == 201


def test_what_was_written_late_is_found_when_the_whole_log_is_searched_again(
    audited: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    audited.post("/predict", json=SURE)
    (first,) = written(audited, 1)["rows"]
    late = record(new_request_id())
    late.answered_at_seconds = time.time() - 3600
    log = PredictionLog(Settings.from_environment().log_address)
    log.append(predictions, [late.row()])
    log.close()
    assert [row["request_id"] for row in audited.get("/monitor/queue").json()["rows"]] == [first["request_id"]]
    monkeypatch.setattr(backlog, "SEARCH_SECONDS", 0.0)
    ids = [row["request_id"] for row in audited.get("/monitor/queue").json()["rows"]]
    assert ids == [late.request_id, first["request_id"]]


# Looks


def test_the_newest_looks_and_events_the_oldest_first(client: TestClient, looks: Looks) -> None:
    empty = client.get("/monitor/looks").json()
    assert (empty["latest"], empty["looks"], empty["events"]) == (None, [], [])
    assert empty["model"]["output"]["classes"] == ["left", "right"]
    for hours_ago in (3, 1, 2):
        looks.add(look(served_digest(client), hours_ago))
    looks.add(look("e" * 64, 0.5, model_version=2, verdict="healthy"))
    looks.add_event(Event("refused", 2, {"yen": 1.0}, at=datetime.now(UTC) - timedelta(hours=2.5)))
    found = client.get("/monitor/looks").json()
    assert [one["model_version"] for one in found["looks"]] == [1, 1, 1, 2]
    ends = [datetime.fromisoformat(one["end"]) for one in found["looks"]]
    assert ends == sorted(ends)
    kinds = [event["kind"] for event in found["events"]]
    assert kinds == ["deployed", "drift", "refused", "deployed", "drift"]
    # That of the served model, whole but for what only the next look needs.
    latest = found["latest"]
    assert (latest["model_version"], latest["verdict"]) == (1, "warn")
    assert set(latest["reasons"][0]["told"]) == {"en", "ja"}
    assert latest["figures"]["drift"][0]["field"] == "pixels"
    assert "state" not in latest["figures"]
    assert "drift" not in found["looks"][0]
    assert found["looks"][0]["yen_per_1000"]["promised"] == 4
    few = client.get("/monitor/looks", params={"limit": 2}).json()
    assert [one["end"] for one in few["looks"]] == [one["end"] for one in found["looks"][-2:]]
    assert client.get("/monitor/looks", params={"limit": 100_000}).status_code == 422


def test_whoever_has_the_newest_looks_is_not_sent_them_again(client: TestClient, looks: Looks) -> None:
    def ask(tag: str = "") -> tuple[int, str]:
        answer = client.get("/monitor/looks", headers={"If-None-Match": tag})
        return answer.status_code, answer.headers["etag"]

    looks.add(look(served_digest(client), 2, verdict="harmful"))
    status, tag = ask()
    assert (status, ask(tag)) == (200, (304, tag))
    for change in (
        lambda: looks.add_event(Event("retraining")),
        lambda: looks.act(datetime.now(UTC)),
        lambda: looks.add(look(served_digest(client), 1)),
    ):
        change()
        status, new = ask(tag)
        assert (status, ask(new)) == (200, (304, new))
        assert new != tag
        tag = new


def test_a_log_that_cannot_be_read_is_told_and_holds_up_no_prediction(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OperationalError("select", {}, Exception("gone"))

    monkeypatch.setattr(Looks, "last", broken)
    answer = client.get("/monitor/looks")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "log_unreadable")
    assert answer.headers["retry-after"] == "5"
    assert "portfolio_monitor" not in client.get("/metrics").text.replace('path="/monitor', "")

    read = Flag()
    monkeypatch.setattr(Looks, "last", lambda *_: read.wait(30) or [])
    monkeypatch.setattr(watch, "READ_SECONDS", 0.3)
    threads = threading.active_count()
    began = time.monotonic()
    for _ in range(6):
        assert client.get("/monitor/looks").status_code == 503
    assert threading.active_count() <= threads + 3
    assert client.post("/predict", json=SURE).status_code == 200
    assert client.get("/metrics").status_code == 200
    assert time.monotonic() - began < 10
    read.set()


# Prometheus


def test_prometheus_has_the_figures_of_the_newest_look(client: TestClient, looks: Looks) -> None:
    for hours_ago, verdict in ((2, "healthy"), (1, "harmful")):
        looks.add(look(served_digest(client), hours_ago, verdict=verdict))
    looks.add(look("e" * 64, 0.5, verdict="healthy"))
    text = client.get("/metrics").text
    for line in (
        'portfolio_monitor_verdict{verdict="harmful"} 1.0',
        'portfolio_monitor_verdict{verdict="healthy"} 0.0',
        'portfolio_monitor_yen_per_1000{kind="promised"} 4.0',
        'portfolio_monitor_yen_per_1000{kind="estimated"} 3.8',
        'portfolio_monitor_yen_per_1000_low{kind="estimated"} 3.7',
        'portfolio_monitor_quality{kind="seen"} 3.0',
        'portfolio_monitor_quality_high{kind="seen"} 3.5',
        "portfolio_monitor_drifted_fields 2.0",
        "portfolio_monitor_harm_evidence 0.25",
        "portfolio_monitor_labels_waiting 0.0",
    ):
        assert line in text.splitlines(), line
    assert 'yen_per_1000{kind="seen"}' not in text
    (age,) = (line for line in text.splitlines() if line.startswith("portfolio_monitor_look_age_seconds "))
    assert 3600 <= float(age.split()[1]) < 3700


def test_scrapes_in_quick_succession_read_the_log_once(
    client: TestClient, looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    plain = Looks.last
    monkeypatch.setattr(Looks, "last", lambda *args: read.append(args) or plain(*args))
    for _ in range(5):
        client.get("/metrics")
    assert len(read) == 1
    monkeypatch.setattr(watch, "GAUGES_SECONDS", 0.0)
    client.get("/metrics")
    assert len(read) == 2


def test_a_look_that_could_measure_nothing_is_shown_as_such(client: TestClient, looks: Looks) -> None:
    figures = {
        "yen_per_1000": {"promised": None, "expected": None, "estimated": None, "seen": None},
        "quality": {"name": None, "promised": None, "estimated": None, "seen": None},
        "machine_share": None,
        "drift": [],
        "harm": {"evidence": 1.0, "threshold": 1000.0, "labels": 0, "slices": []},
    }
    looks.add(look(served_digest(client), verdict="insufficient_data", figures=figures))
    text = client.get("/metrics").text
    assert 'portfolio_monitor_verdict{verdict="insufficient_data"} 1.0' in text
    assert "portfolio_monitor_yen_per_1000{" not in text
    assert client.get("/monitor/looks").json()["latest"]["verdict"] == "insufficient_data"


def test_without_a_look_there_is_none_to_tell_of(client: TestClient) -> None:
    text = client.get("/metrics").text
    assert "portfolio_monitor_labels_waiting 0.0" in text
    assert "portfolio_monitor_verdict" not in text


# Who may


def test_the_page_is_open_and_what_it_shows_is_for_administrators(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, tmp_path / "one", version=1)
    monkeypatch.setenv("SERVING_API_KEYS", hashed("user"))
    monkeypatch.setenv("SERVING_ADMIN_KEYS", hashed("admin"))
    label = {"request_id": "0" * 32, "label": "left"}
    with TestClient(create_app()) as client:
        page = client.get("/monitor")
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        for path in ("/monitor/looks", "/monitor/queue"):
            assert client.get(path, headers={"X-API-Key": "user"}).status_code == 401
            assert client.get(path, headers={"X-API-Key": "admin"}).status_code == 200
        for key, status in (("user", 401), ("admin", 404)):
            assert client.post("/monitor/feedback", json=label, headers={"X-API-Key": key}).status_code == status
