"""Old answers are deleted by a server that is told how long to keep them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from portfolio.bundle.store import Store
from portfolio.monitoring.prediction_log.log import PredictionLog
from portfolio.monitoring.prediction_log.tables import predictions
from serving.app import create_app
from serving.settings import Settings
from tests.monitoring.test_prediction_log import record, rows
from tests.tiny import publish


@pytest.mark.parametrize(("days", "kept"), [("30", 1), (None, 2)])
def test_old_answers_are_deleted_if_the_settings_say_so(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: str | None, kept: int
) -> None:
    publish(store, tmp_path / "one", version=1)
    if days is not None:
        monkeypatch.setenv("SERVING_LOG_KEEP_DAYS", days)
    address = Settings.from_environment().log_address
    log = PredictionLog(address)
    for age_days in (31, 1):
        one = record()
        one.answered_at_seconds = time.time() - age_days * 86_400
        log.append(predictions, [one.row()])
    log.close()
    with TestClient(create_app()) as client:
        deadline = time.monotonic() + 10
        while len(rows(address, "predictions")) != kept:
            assert time.monotonic() < deadline
        answer = client.post("/predict", json={"instances": [{"pixels": [4, 3, 2, 1]}]})
        assert answer.status_code == 200
    assert len(rows(address, "predictions")) == kept + 1
