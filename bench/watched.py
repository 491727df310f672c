"""Our server without audits, with them, and while the monitor looks at its log: `python -m bench.watched` prints JSON.

The three take turns, on all cores, which they share with wrk.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bench import wrk
from bench.rows import ROOT
from bench.server import Server, portfolio_server
from bench.subject import image_champion, one_message
from portfolio.bundle.bundle import Bundle
from portfolio.bundle.store import Store

ROUNDS, SECONDS = 5, 4
CONNECTIONS, ROWS = 32, 1


def main() -> None:
    wrk.require()
    bundle = image_champion()
    found: dict[str, list[dict[str, Any]]] = {}
    look_seconds: list[float] = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        body = wrk.body(Path(folder) / "body.json", bundle, ROWS)
        plain, audited = Path(folder) / "plain", Path(folder) / "audited"
        without = stack.enter_context(_server(plain, bundle, audits=False))
        with_audits = stack.enter_context(_server(audited, bundle, audits=True))
        for _ in range(ROUNDS):
            found.setdefault("plain", []).append(wrk.load_all_answered(without, body, CONNECTIONS, SECONDS))
            found.setdefault("audited", []).append(wrk.load_all_answered(with_audits, body, CONNECTIONS, SECONDS))
            with _looking(audited, bundle.manifest.use_case, look_seconds):
                found.setdefault("watched", []).append(wrk.load_all_answered(with_audits, body, CONNECTIONS, SECONDS))
    told = {
        name: {key: median(turn[key] for turn in turns) for key in ("rate", "p99_ms")} for name, turns in found.items()
    }
    print(json.dumps({**told, "look_seconds": median(look_seconds)}))


@contextmanager
def _server(state: Path, bundle: Bundle, *, audits: bool) -> Iterator[Server]:
    manifest = bundle.manifest
    policy = manifest.policy
    if policy is None or policy.audit_share == 0:
        sys.exit(f"of '{manifest.use_case}' nothing is audited: value.audit_share is 0")
    if not audits:
        manifest = manifest.model_copy(update={"policy": policy.model_copy(update={"audit_share": 0.0})})
    Store(state / "store" / manifest.use_case).publish(bundle.folder, manifest)
    with portfolio_server(state) as server:
        yield server


@contextmanager
def _looking(state: Path, use_case: str, seconds: list[float]) -> Iterator[None]:
    """Have the monitor look again and again, at what was answered since; `seconds` gets how long each look took."""
    command = [sys.executable, "-m", "portfolio", "monitor", use_case]
    environment = {**os.environ, "PORTFOLIO_STATE": str(state)}
    ending = threading.Event()
    faults: list[str] = []

    def look() -> None:
        while not ending.is_set():
            started = time.perf_counter()
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
            seconds.append(time.perf_counter() - started)
            if done.returncode:
                faults.append(done.stderr)
                return

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield
    finally:
        ending.set()
        looking.join()
    if faults:
        sys.exit(faults[0])


if __name__ == "__main__":
    with one_message():
        main()
