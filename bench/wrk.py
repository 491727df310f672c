"""Load from wrk: on each connection one request after another, as fast as they are answered."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.peer import PEERS
from bench.server import Server
from portfolio.bundle.bundle import Bundle


def require(*commands: str) -> None:
    """End with the remedy if wrk or one of the other commands is not there."""
    if any(shutil.which(command) is None for command in ("wrk", *commands)):
        sys.exit(f"{' and '.join(('wrk', *commands))} must be installed, such as by: apt-get install wrk util-linux")


def body(path: Path, bundle: Bundle, rows: int) -> Path:
    """Write a request of so many rows of an image classifier, in our own protocol."""
    (field,) = [one.name for one in bundle.manifest.inputs]
    golden = bundle.manifest.golden_inputs[field]
    path.write_text(json.dumps({"instances": [{field: golden[row % len(golden)]} for row in range(rows)]}))
    return path


def load(
    server: Server, path: str, body: Path, connections: int, seconds: float, before: Sequence[str] = ()
) -> dict[str, Any]:
    """What came of it: `requests`, `seconds`, `rate` (requests a second), `p50_ms`, `p99_ms`, `errors`, `cpu_seconds`.

    The last is what the server used of the processor meanwhile. `before` is a command that starts wrk in turn. The
    server has nothing to do any more when this returns.
    """
    command = [*before, "wrk", "-t", "1", "-c", str(connections), "-d", f"{max(1, round(seconds))}s"]
    command += ["--timeout", "10s", "-s", str(PEERS / "post.lua"), f"{server.url}{path}"]
    used = server.cpu_seconds()
    done = subprocess.run(
        command, env={**os.environ, "BODY": str(body)}, capture_output=True, text=True, check=True, timeout=60
    )
    used = server.cpu_seconds() - used
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    server.settle()
    return {**found, "rate": found["requests"] / found["seconds"], "cpu_seconds": used}


def load_all_answered(server: Server, body: Path, connections: int, seconds: float) -> dict[str, Any]:
    """The same of our own protocol. Ends with the number of requests that failed, if any did."""
    found = load(server, "/predict", body, connections, seconds)
    if found["errors"]:
        sys.exit(f"{found['errors']} requests failed")
    return found
