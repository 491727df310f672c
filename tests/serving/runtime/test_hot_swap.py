"""A real server under steady requests while champions are swapped: no request fails, no answer is another version's."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from math import exp
from pathlib import Path
from socket import socket
from typing import Any

import pytest

from portfolio.bundle.store import Store
from serving.runtime.watcher import StoreWatcher
from serving.settings import Settings
from tests.tiny import publish, tiny_bundle
from tests.workspace import TOY

SWAPS = 20
BAD_VERSION = 99
TIMEOUT_SECONDS = 60
PIXELS = [2.0, 1.0, 2.0, 1.5]
BODY = json.dumps({"instances": [{"pixels": PIXELS}]})


def bias(version: int) -> float:
    return version / 10


def expected(version: int) -> float:
    """The probability of "left" that the tiny bundle of this version gives (see conftest.tiny_model)."""
    left = PIXELS[0] + 0.5 * PIXELS[1] - PIXELS[2] - 0.5 * PIXELS[3]
    return 1 / (1 + exp(-left + bias(version) - left))


def free_port() -> int:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(port: int) -> Iterator[None]:
    """Serves where there is a store and no use case, as in an image."""
    process = subprocess.Popen(
        [sys.executable, "-m", "portfolio", "serve", TOY, "--port", str(port)],
        cwd=os.environ["PORTFOLIO_STATE"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                with connected(port) as connection:
                    served_version(connection)
                break
            except ConnectionError:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=30)


def connected(port: int) -> closing[http.client.HTTPConnection]:
    return closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30))


def call(connection: http.client.HTTPConnection, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
    connection.request(method, path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def served_version(connection: http.client.HTTPConnection) -> int:
    return int(call(connection, "GET", "/readyz")[1]["model"]["version"])


def test_no_request_fails_and_each_answer_is_true_to_its_version(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVING_POLL_SECONDS", "0.01")
    digests = {1: publish(store, tmp_path / "1", version=1, bias=bias(1))}
    port = free_port()
    answers: list[tuple[int, Any]] = []
    faults: list[Exception] = []
    done = threading.Event()

    def ask() -> None:
        try:
            with connected(port) as connection:
                while not done.is_set():
                    answers.append(call(connection, "POST", "/predict", BODY))
        except Exception as error:
            faults.append(error)

    with server(port):
        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        try:
            with connected(port) as watching:
                for version in range(2, SWAPS + 2):
                    digests[version] = publish(store, tmp_path / str(version), version=version, bias=bias(version))
                    wait_until(lambda version=version: served_version(watching) == version)
                bad = tiny_bundle(tmp_path / "bad", bias(BAD_VERSION), BAD_VERSION)
                digests[BAD_VERSION] = store.publish(bad.folder, bad.manifest).digest
                model = store.bundle_folder(digests[BAD_VERSION]) / "model.onnx"
                model.write_bytes(model.read_bytes()[:-1])
                # Where it was loaded before it was damaged, a rewritten champion.json makes the server look again.
                store.champion_path.write_text(store.champion_path.read_text() + "\n")
                wait_until(lambda: "SHA-256" in (call(watching, "GET", "/model")[1]["last_refusal"] or ""))
        finally:
            done.set()
            for client in clients:
                client.join()
    assert faults == []
    assert {status for status, _ in answers} == {200}
    for _, answer in answers:
        version = answer["model"]["version"]
        assert answer["model"]["digest"] == digests[version]
        left = answer["predictions"][0]["probabilities"]["left"]
        assert left == pytest.approx(expected(version), abs=1e-5)
    assert len({answer["model"]["version"] for _, answer in answers}) > SWAPS / 2


def test_of_two_that_load_at_once_the_one_named_last_is_served(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, tmp_path / "1", version=1)
    watcher = StoreWatcher(Settings())
    watcher.refresh()
    plain, loading, go = watcher._load, threading.Event(), threading.Event()

    def slow(named: Any) -> Any:
        loading.set()
        assert go.wait(TIMEOUT_SECONDS)
        return plain(named)

    monkeypatch.setattr(watcher, "_load", slow)
    publish(store, tmp_path / "2", version=2)
    watching = threading.Thread(target=watcher.refresh)
    watching.start()
    assert loading.wait(TIMEOUT_SECONDS)
    publish(store, tmp_path / "3", version=3)
    by_hand = threading.Thread(target=watcher.refresh, kwargs={"force": True})
    by_hand.start()
    go.set()
    watching.join()
    by_hand.join()
    assert watcher.current is not None
    assert watcher.current.version == 3
