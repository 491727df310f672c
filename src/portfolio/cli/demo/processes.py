"""The other programs of the demo: `portfolio run`, told step by step, and a server."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket

from portfolio.client.predict import ask, wait_until_ready
from portfolio.core.errors import PortfolioError
from portfolio.core.paths import Paths

READY_TIMEOUT_SECONDS = 60
SWAP_TIMEOUT_SECONDS = 30
STEP = re.compile(r"[✓✗] (\S.*?)\s+([\d.]+) s\s+(.*)")


def steps(*arguments: str) -> Iterator[tuple[str, str]]:
    """Run `portfolio` with these arguments, and give each step that is done with its result, as it ends.

    Raises PortfolioError, with what was printed, if it fails.
    """
    command = [sys.executable, "-m", "portfolio", *arguments]
    printed = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                printed.append(line)
                if found := STEP.match(line):
                    yield found[1], found[3].strip()
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        said = "".join(printed[-30:])
        raise PortfolioError(f"The demo stopped: 'portfolio {' '.join(arguments)}' failed. It said:\n{said}")


@contextmanager
def server(name: str) -> Iterator[str]:
    """A server of the champion on a free loopback port, once it is ready; stopped by its process id."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    log = Paths(name).log("demo-server")
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "portfolio", "serve", name, "--port", str(port)]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream)
    try:
        try:
            wait_until_ready(address, READY_TIMEOUT_SECONDS)
        except PortfolioError as error:
            raise PortfolioError(f"{error} What the server said is in {log}") from error
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def served_version(address: str) -> int:
    return int(ask(f"{address}/model")["version"])


def seconds_until_served(address: str, version: int) -> float:
    """Wait until the server answers by that version. Raises PortfolioError if it does not."""
    started = time.monotonic()
    while served_version(address) != version:
        if time.monotonic() - started > SWAP_TIMEOUT_SECONDS:
            raise PortfolioError(f"{address} does not serve version {version} within {SWAP_TIMEOUT_SECONDS} s.")
        time.sleep(0.05)
    return time.monotonic() - started


def wait_for_log(address: str) -> None:
    """Return once what was answered so far is in the prediction log."""
    deadline = time.monotonic() + SWAP_TIMEOUT_SECONDS
    while ask(f"{address}/model")["log"]["waiting"]:
        if time.monotonic() > deadline:
            raise PortfolioError(f"{address} does not write its prediction log. Check its own log.")
        time.sleep(0.05)
