"""The demo: the whole loop on real digits, then a server that reads test images, then an end.

It works in a clone of the repository under the state folder, so that the checkout stays as it is.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket

from portfolio.client.predict import ask, wait_until_ready
from portfolio.core.environment import local_environment, state_folder
from portfolio.core.errors import PortfolioError
from portfolio.core.paths import Paths
from portfolio.core.terminal import console
from portfolio.report.words import PAGES

USE_CASE = "digits"
IMAGES = 6
READY_TIMEOUT_SECONDS = 60
INK = " .:-=+*#%@"


def demo() -> None:
    """Run it. Raises PortfolioError if a step fails; the server is stopped in any case."""
    local_environment()
    started = time.monotonic()
    clone = state_folder() / "demo"
    with _step("A clone of this repository to work in"):
        _refresh(clone)
    with _step("The loop: collect, version, validate, prepare, train, evaluate, register, promote, publish"):
        _call([sys.executable, "-m", "portfolio", "run", USE_CASE], clone)
    with _step("A server of the champion"), _server(clone) as address:
        model = ask(f"{address}/model")
        console.print(f"  version {model['version']} serves at {address}", highlight=False)
        with _step("Test images, which training never saw, sent to it"):
            _predict(address, clone)
    seconds = time.monotonic() - started
    console.print(f"\n[bold green]Done[/] in {seconds:.0f} s; the server has been stopped. To go on:")
    console.print("  make serve      the model you just trained, at http://127.0.0.1:8000/docs")
    console.print("  make run        the loop in this checkout, for your own changes")
    console.print("  make help       everything else", highlight=False)
    page = (clone / Paths(USE_CASE).report / PAGES["en"]).as_uri()
    console.print(f"And what it is worth, on one page: {page}", highlight=False, soft_wrap=True)


def _refresh(clone: Path) -> None:
    """Bring the clone to the commit that is checked out here, keeping what it has cached."""
    if not (clone / ".git").exists():
        _call(["git", "clone", "--quiet", "--shared", str(Path.cwd()), str(clone)], Path.cwd())
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    _call(["git", "fetch", "--quiet", "origin", commit], clone)
    _call(["git", "reset", "--quiet", "--hard", commit], clone)


def _call(command: list[str], folder: Path) -> None:
    result = subprocess.run(command, cwd=folder, check=False)
    if result.returncode != 0:
        raise PortfolioError(f"The demo stopped: '{' '.join(command)}' ended with {result.returncode}; see above.")


@contextmanager
def _step(title: str) -> Iterator[None]:
    console.print(f"\n[bold cyan]▸ {title}[/]", highlight=False)
    started = time.monotonic()
    yield
    console.print(f"  [green]✓[/] {time.monotonic() - started:.1f} s", highlight=False)


@contextmanager
def _server(clone: Path) -> Iterator[str]:
    """A server on a free loopback port, ready; ended by its own id."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    log = Paths(USE_CASE).log("demo-server")
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "portfolio", "serve", USE_CASE, "--port", str(port)]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=clone, stdout=stream, stderr=stream)
    try:
        try:
            wait_until_ready(address, READY_TIMEOUT_SECONDS)
        except PortfolioError as error:
            raise PortfolioError(f"{error} What the server said is in {log}") from error
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def _predict(address: str, clone: Path) -> None:
    import polars as pl

    rows = pl.read_parquet(clone / "data" / USE_CASE / "splits" / "test.parquet").head(IMAGES)
    pixels = rows["pixels"].to_list()
    body = json.dumps({"instances": [{"pixels": image} for image in pixels]}).encode()
    started = time.perf_counter()
    answer = ask(f"{address}/predict", body)
    milliseconds = (time.perf_counter() - started) * 1000
    predicted = [prediction["class"] for prediction in answer["predictions"]]
    for row in range(8):
        _show("", [_line(image[8 * row : 8 * row + 8]) for image in pixels])
    _show("read as", predicted)
    _show("really", [str(digit) for digit in rows["digit"]])
    right = sum(a == str(b) for a, b in zip(predicted, rows["digit"], strict=True))
    console.print(f"  {right} of {len(predicted)} right, in one request of {milliseconds:.1f} ms", highlight=False)


def _show(name: str, cells: list[str]) -> None:
    """One line of the images or under them: what it is, then a cell of an image's width for each image."""
    line = f"  {name:<9}" + "  ".join(f"{cell:^8}" for cell in cells)
    console.print(line.rstrip(), highlight=False)


def _line(values: list[float]) -> str:
    return "".join(INK[int(value * (len(INK) - 1) / 16)] for value in values)
