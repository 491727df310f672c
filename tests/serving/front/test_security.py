"""API keys: who may predict, who may administer, and what is open to all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from portfolio.bundle.store import Store
from serving.app import create_app
from serving.front.security import hashed
from tests.tiny import publish

BODY = {"instances": [{"pixels": [4, 3, 2, 1]}]}
USER, ADMIN = "a-users-key", "an-admins-key"


@pytest.fixture
def guarded(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    publish(store, tmp_path / "one", version=1)
    monkeypatch.setenv("SERVING_API_KEYS", f"{hashed('another')},{hashed(USER)}")
    monkeypatch.setenv("SERVING_ADMIN_KEYS", hashed(ADMIN))
    with TestClient(create_app()) as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize("headers", [bearer(USER), {"X-API-Key": USER}, bearer("another")])
def test_a_key_lets_one_predict(guarded: TestClient, headers: dict[str, str]) -> None:
    assert guarded.post("/predict", json=BODY, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, bearer(""), bearer("a-users-ke"), bearer(ADMIN), bearer(hashed(USER)), {"Authorization": USER}]
)
def test_no_key_and_a_wrong_one_do_not(guarded: TestClient, headers: dict[str, str]) -> None:
    for path in ("/predict", "/invocations", "/v2/models/toy/infer", "/feedback"):
        answer = guarded.post(path, json=BODY, headers=headers)
        assert answer.status_code == 401, path
        assert (answer.json() if path.startswith("/v2") else answer.json()["error"])["code"] == "no_key"
    assert guarded.get("/model", headers=headers).status_code == 401


def test_only_an_admins_key_opens_what_is_for_admins(guarded: TestClient) -> None:
    for method, path in (("GET", "/metrics"), ("POST", "/admin/reload")):
        assert guarded.request(method, path, headers=bearer(USER)).status_code == 401
        assert guarded.request(method, path, headers=bearer(ADMIN)).status_code == 200


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/ping", "/v2/health/live", "/docs", "/openapi.json"])
def test_probes_and_pages_are_open(guarded: TestClient, path: str) -> None:
    assert guarded.get(path).status_code == 200


def test_without_a_key_for_admins_nobody_is_one(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(store, tmp_path / "one", version=1)
    monkeypatch.setenv("SERVING_API_KEYS", hashed(USER))
    with TestClient(create_app()) as client:
        assert client.get("/metrics", headers=bearer(USER)).status_code == 403
