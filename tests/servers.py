"""Programs that serve at a port, as their users start and end them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx


@contextmanager
def started(
    command: Sequence[str], port: int, folder: Path, environment: Mapping[str, str]
) -> Iterator[tuple[httpx.Client, subprocess.Popen[bytes]]]:
    """A client of what a command serves at a port, and the command's process, until Ctrl-C."""
    server = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
            while True:
                assert server.poll() is None
                try:
                    client.get("/")
                    break
                except httpx.TransportError:
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
            yield client, server
        os.killpg(server.pid, signal.SIGINT)
        server.wait(timeout=60)
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
