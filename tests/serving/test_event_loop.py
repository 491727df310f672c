"""No request within the limits holds the event loop, and with it every other request, for long."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.reliability.hostile import HELD_MS, Hostile, requests
from portfolio.bundle.bundle import Bundle
from portfolio.bundle.store import Store
from serving.app import create_app
from serving.services import Services
from tests.serving.conftest import table_bundle
from tests.tiny import tiny_bundle

CHUNK_BYTES = 64 * 1024


class LongestStep:
    """The longest that the event loop took over one step, as processor time of its thread.

    Not as time on the clock: other work on this machine would be counted too.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ms = 0.0
        plain = asyncio.Handle._run

        def timed(handle: asyncio.Handle) -> Any:
            started = time.thread_time()
            try:
                return plain(handle)
            finally:
                self.ms = max(self.ms, (time.thread_time() - started) * 1000)

        monkeypatch.setattr(asyncio.Handle, "_run", timed)


async def status_of(app: Any, request: Hostile) -> int:
    path, _, query = request.path.partition("?")
    headers = {"content-type": request.media_type, "content-length": str(len(request.body)), **dict(request.headers)}
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    parts = [request.body[start : start + CHUNK_BYTES] for start in range(0, len(request.body), CHUNK_BYTES)] or [b""]
    messages = iter({"type": "http.request", "body": part, "more_body": part is not parts[-1]} for part in parts)
    statuses: list[int] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    return statuses[0]


@pytest.mark.parametrize("make", [tiny_bundle, table_bundle])
def test_no_request_holds_the_event_loop(
    make: Callable[[Path], Bundle], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make(tmp_path / "bundle")
    manifest = bundle.manifest
    lineage = manifest.lineage.model_copy(update={"model_version": 1})
    store.publish(bundle.folder, manifest.model_copy(update={"lineage": lineage}))
    app = create_app()
    step = LongestStep(monkeypatch)
    made = list(requests(manifest))

    async def ask_all() -> list[tuple[float, int, str]]:
        services: Services = app.app.state.services
        found = []
        async with services.running():
            for request in made:
                step.ms = 0.0
                # A task of its own is a step of its own.
                status = await asyncio.create_task(status_of(app, request))
                found.append((step.ms, status, f"{request.path[:40]} {request.kind}"))
        return sorted(found, reverse=True)

    # As the server does: a garbage collection looks at what was there before, here all that other tests have left.
    gc.collect()
    gc.freeze()
    try:
        found = asyncio.run(ask_all())
    finally:
        gc.unfreeze()
    assert [one for one in found if one[1] >= 500] == []
    assert found[0][0] <= HELD_MS, found[:10]
    assert {status for _, status, _ in found} >= {200, 422}
