"""What all items do with a server: one request, waiting for a condition, its metrics, a bundle to begin with."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.store import Store
from portfolio.client.connection import Address

JSON = {"Content-Type": "application/json"}
PATIENCE_SECONDS = 30.0


class SkippedError(Exception):
    """The item can't be tried here, and why."""


def publish(state: Path, bundle: Bundle, version: int) -> str:
    """Make a bundle the champion of the store in `state`. Gives back its digest."""
    lineage = bundle.manifest.lineage.model_copy(update={"model_version": version})
    store = Store(state / "store" / bundle.manifest.use_case)
    return store.publish(bundle.folder, bundle.manifest.model_copy(update={"lineage": lineage})).digest


def body(bundle: Bundle, rows: int = 1) -> bytes:
    """A request's body with the bundle's golden inputs, again and again up to so many rows."""
    columns = bundle.manifest.golden_inputs
    instances = [{name: values[number % len(values)] for name, values in columns.items()} for number in range(rows)]
    return json.dumps({"instances": instances}).encode()


def predict_request(url: str, content: bytes) -> bytes:
    return Address(url).request("POST", "/predict", content, JSON)


def expected(bundle: Bundle, rows: int = 1) -> Any:
    """The bundle's own probabilities for what `body` asks."""
    inputs = bundle.arrays(bundle.manifest.golden_inputs)
    count = len(next(iter(inputs.values())))
    return bundle.predict({name: array[np.arange(rows) % count] for name, array in inputs.items()})


def call(url: str, content: bytes | None = None, method: str | None = None) -> tuple[int, Any, dict[str, str]]:
    """Status, body and headers of an answer, whatever the status."""
    request = urllib.request.Request(url, content, JSON, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
            return response.status, _read(response.read()), dict(response.headers)
    except urllib.error.HTTPError as error:
        return error.code, _read(error.read()), dict(error.headers)


def _read(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")


def served_version(url: str) -> int:
    return int(call(f"{url}/readyz")[1]["model"]["version"])


def metric(url: str, name: str) -> float:
    """A figure of /metrics that has no labels."""
    text: str = call(f"{url}/metrics")[1]
    (found,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(found.split()[1])


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> float:
    """How long it took. Raises TimeoutError if it does not come."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(0.01)
    return time.monotonic() - started
