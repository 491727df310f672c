"""Requests that got no answer are counted in the prediction log, by what was wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from portfolio.bundle.store import Store
from portfolio.monitoring.prediction_log.log import PredictionLog
from serving.app import create_app
from serving.settings import Settings
from tests.monitoring.test_prediction_log import rows
from tests.serving.conftest import services, table_bundle
from tests.tiny import publish

GOOD = {"age": 30, "town": "A", "note": "good"}


def counted() -> dict[tuple[int, str], int]:
    """Of all minutes together, by status and field."""
    found: dict[tuple[int, str], int] = {}
    for row in rows(Settings.from_environment().log_address, "unanswered"):
        why = row["status"], row["field"]
        found[why] = found.get(why, 0) + row["requests"]
    return found


def test_what_is_refused_is_counted_by_field_and_a_draft_is_not(store: Store, tmp_path: Path) -> None:
    bundle = table_bundle(tmp_path / "table")
    store.publish(bundle.folder, bundle.manifest)
    with TestClient(create_app()) as client:
        for age in (200, "old", -1):
            assert client.post("/predict", json={"instances": [GOOD, {**GOOD, "age": age}]}).status_code == 422
        tensors = {"inputs": [{"name": "age", "shape": [1, 1], "datatype": "FP32", "data": [200]}]}
        assert client.post("/v2/models/toy/infer", json=tensors).status_code == 422
        assert client.post("/invocations", json={"dataframe_records": [{**GOOD, "age": 200}]}).status_code == 422
        assert client.post("/predict", json={"instances": [{**GOOD, "agee": 3}]}).status_code == 422
        assert client.post("/predict", content=b"age", headers={"Content-Type": "text/plain"}).status_code == 415
        assert client.post("/predict?draft=true", json={"instances": [{**GOOD, "age": 200}]}).status_code == 422
        assert client.post("/predict", json={"instances": [GOOD]}).status_code == 200
        # Of no model: nothing was asked of it.
        assert client.post("/no/such/path", json={}).status_code == 404
    assert counted() == {(422, "age"): 5, (422, ""): 1, (415, ""): 1}


def test_what_fails_on_the_server_is_counted(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("broken")

    publish(store, tmp_path / "one", version=1)
    with TestClient(create_app()) as client:
        monkeypatch.setattr(services(client).watcher.served().bundle, "predict", fail)
        assert client.post("/predict", json={"instances": [{"pixels": [4, 3, 2, 1]}]}).status_code == 500
    assert counted() == {(500, ""): 1}


def test_counts_wait_for_a_log_that_can_not_be_written(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, tmp_path / "one", version=1)
    real, tries = PredictionLog.count_unanswered, []

    def flaky(log: PredictionLog, counts: list[dict[str, object]]) -> None:
        tries.append(sum(int(str(row["requests"])) for row in counts))
        if len(tries) == 1:
            raise OperationalError("", {}, Exception("no room"))
        real(log, counts)

    monkeypatch.setattr(PredictionLog, "count_unanswered", flaky)
    with TestClient(create_app()) as client:
        for _ in range(3):
            assert client.post("/predict", json={"instances": []}).status_code == 422
    assert len(tries) > 1
    assert counted() == {(422, ""): 3}
