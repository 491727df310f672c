"""What is served follows the store: champions, pins, shadows, and bundles that are refused."""

from __future__ import annotations

import errno
import json
import sqlite3
import time
from itertools import permutations
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from portfolio.bundle.store import Store
from portfolio.core.errors import BundleError
from serving.runtime.watcher import StoreWatcher
from serving.settings import Settings
from tests.serving.conftest import services
from tests.tiny import publish, tiny_bundle

GOOD = {"instances": [{"pixels": [4, 3, 2, 1]}]}


def test_a_new_champion_takes_over_and_a_bad_one_does_not(client: TestClient, store: Store, tmp_path: Path) -> None:
    digest = publish(store, tmp_path / "two", version=2, bias=1.0)
    services(client).watcher.refresh()
    assert client.post("/predict", json=GOOD).json()["model"] == {"use_case": "toy", "version": 2, "digest": digest}

    bad = tiny_bundle(tmp_path / "three", 2.0, 3)
    digest = store.publish(bad.folder, bad.manifest).digest
    model = store.bundle_folder(digest) / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    services(client).watcher.refresh()
    assert client.post("/predict", json=GOOD).json()["model"]["version"] == 2
    assert "SHA-256" in client.get("/model").json()["last_refusal"]


def test_without_a_champion_the_log_says_what_is_missing_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTFOLIO_USE_CASE", "toy")
    watcher = StoreWatcher(Settings())
    for _ in range(3):
        watcher.refresh()
    assert [record.getMessage() for record in caplog.records] == [
        "No champion of 'toy' has been published yet. Train and publish one: portfolio run toy"
    ]


def test_a_pinned_version_is_served_until_it_is_unpinned(client: TestClient, store: Store, tmp_path: Path) -> None:
    def served() -> int:
        services(client).watcher.refresh()
        return int(client.get("/readyz").json()["model"]["version"])

    publish(store, tmp_path / "two", version=2, bias=1.0)
    assert served() == 2
    store.pin(1)
    assert served() == 1
    publish(store, tmp_path / "three", version=3, bias=2.0)
    assert served() == 1
    assert [v["version"] for v in client.get("/versions").json() if v["is_served"]] == [1]
    store.unpin()
    assert served() == 3


def test_a_store_out_of_reach_leaves_what_is_loaded(client: TestClient, store: Store) -> None:
    away = store.folder.with_name("away")
    store.folder.rename(away)
    services(client).watcher.refresh()
    assert client.post("/predict", json=GOOD).status_code == 200
    away.rename(store.folder)
    services(client).watcher.refresh()
    assert client.get("/model").json()["last_refusal"] is None


def shadowed(client: TestClient) -> Path:
    """The file of the prediction log, when what a shadow said is in it: it runs behind the answer."""
    deadline = time.monotonic() + 10
    while "portfolio_shadowed_total 1.0" not in client.get("/metrics").text or services(client).recorder.waiting:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return Path(Settings.from_environment().log_address.removeprefix("sqlite:///"))


def test_a_shadow_answers_for_the_log_alone(client: TestClient, store: Store, tmp_path: Path) -> None:
    two = tiny_bundle(tmp_path / "two", 2.0, 2)
    store.add(two.folder, two.manifest)
    store.set_shadow(2, 1.0)
    services(client).watcher.refresh()
    assert client.get("/model").json()["shadow"]["version"] == 2
    answer = client.post("/predict", json=GOOD).json()
    assert answer["model"]["version"] == 1
    with sqlite3.connect(shadowed(client)) as connection:
        ((request_id, version, outputs),) = connection.execute(
            "select request_id, model_version, outputs from shadow_predictions"
        )
    assert (request_id, version) == (answer["request_id"], 2)
    assert json.loads(outputs)[0][0] < answer["predictions"][0]["probabilities"]["left"]
    store.set_shadow(2, 0)
    services(client).watcher.refresh()
    assert client.get("/model").json()["shadow"] is None


def test_a_shadow_that_cannot_be_loaded_is_told_and_does_no_harm(
    client: TestClient, store: Store, tmp_path: Path
) -> None:
    two = tiny_bundle(tmp_path / "two", 2.0, 2)
    digest = store.add(two.folder, two.manifest)
    store.set_shadow(2, 1.0)
    (store.bundle_folder(digest) / "model.onnx").write_bytes(b"")
    services(client).watcher.refresh()
    assert "SHA-256" in client.get("/model").json()["last_refusal"]
    assert client.post("/predict", json=GOOD).json()["model"]["version"] == 1


def served_within(watcher: StoreWatcher, version: int, seconds: float = 5) -> None:
    """Look again and again, as the server does, until it serves this version."""
    deadline = time.monotonic() + seconds
    while watcher.current is None or watcher.current.version != version or watcher.refusal:
        assert time.monotonic() < deadline, watcher.refusal
        watcher.refresh()
        time.sleep(0.05)


@pytest.mark.parametrize("order", list(permutations(["champion.json", "manifest.json", "model.onnx"])))
@pytest.mark.parametrize("running", [False, True])
def test_files_may_arrive_in_any_order(store: Store, tmp_path: Path, order: tuple[str, ...], running: bool) -> None:
    """As copying tools leave them, each at first in part; before the server starts, or while it runs."""
    digest = publish(store, tmp_path / "two", version=2, bias=1.0)
    copies = {path.name: path for path in store.folder.rglob("*") if path.is_file()}
    contents = {copies[name]: copies[name].read_bytes() for name in order}
    for path in contents:
        path.unlink()
    if running:
        publish(store, tmp_path / "one", version=1)
    watcher = StoreWatcher(Settings())
    watcher.refresh()
    for path, content in contents.items():
        for part in (content[: len(content) // 2], content):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(part)
            watcher.refresh()
            assert watcher.current is None or watcher.current.version in (1, 2)
    served_within(watcher, 2)
    assert watcher.current is not None
    assert watcher.current.bundle.digest == digest


@pytest.mark.parametrize("name", ["served", "shadow"])
@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "Too many open files"), MemoryError(), BundleError("damaged")])
def test_a_fault_that_passes_is_forgotten(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, name: str
) -> None:
    publish(store, tmp_path / "one", version=1)
    watcher = StoreWatcher(Settings())
    watcher.refresh()
    publish(store, tmp_path / "two", version=2, bias=1.0)
    store.set_shadow(1, 0.5)

    def fails(_: Store) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Store, name, fails)
        for _ in range(3):
            watcher.refresh()
        assert watcher.refusal
        # The same one, again and again, is counted and logged once.
        assert watcher.refusals == 1
    served_within(watcher, 2)
    assert watcher.shadow is not None
