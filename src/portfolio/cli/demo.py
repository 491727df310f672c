"""The demo: the whole loop on a use case's real data, then a server that answers test rows, and its shutdown.

It works in a clone of the repository under the state folder, so that the checkout stays as it is.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from socket import socket
from textwrap import shorten
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.table import Table
from rich.text import Text

from portfolio.bundle.manifest import InputField
from portfolio.client.predict import ask, predictions, wait_until_ready
from portfolio.contract.loading import load_use_case
from portfolio.contract.use_case import UseCase
from portfolio.core.counted import counted
from portfolio.core.environment import local_environment, state_folder
from portfolio.core.errors import PortfolioError
from portfolio.core.paths import Paths, default_use_case
from portfolio.core.terminal import console
from portfolio.profiling.project import files_folder
from portfolio.report.words import PAGES, number

READY_TIMEOUT_SECONDS = 60
INK = " .:-=+*#%@"
MAX_ROWS = 6
# For tables.
MAX_COLUMNS = 4
MAX_CELL_WIDTH = 24
# In characters: all images side by side, and a single one.
LINE_WIDTH = 100
MAX_IMAGE_SIDE = 32
PREDICTED, ACTUAL = "predicted", "actual"


def demo(name: str) -> None:
    """Run it. Raises PortfolioError if a step fails; the server is stopped in any case."""
    use_case = load_use_case(name)
    local_environment()
    started = time.monotonic()
    with _step("A clone of this repository to work in"):
        clone = refreshed(state_folder() / "demo")
        bring_files(name, clone)
    with _step("The loop: collect, version, validate, prepare, train, evaluate, register, promote, publish"):
        _call([sys.executable, "-m", "portfolio", "run", name], clone)
    with _step("A server of the champion"), _server(clone, name) as address:
        model = ask(f"{address}/model")
        console.print(f"  version {model['version']} serves at {address}", highlight=False)
        with _step("Test rows, which training never saw, sent to it"):
            _predict(address, clone, use_case, model)
    seconds = time.monotonic() - started
    console.print(f"\n[bold green]Done[/] in {seconds:.0f} s; the server has been stopped. To go on:")
    console.print("  make serve      the model you just trained, at http://127.0.0.1:8000")
    console.print("  make run        the loop in this checkout, for your own changes")
    console.print("  make help       everything else", highlight=False)
    if name != default_use_case():
        console.print(f"Add USE_CASE={name} to each.", highlight=False)
    page = (clone / Paths(name).report / PAGES["en"]).as_uri()
    console.print(f"And what it is worth, on one page: {page}", highlight=False, soft_wrap=True)


def refreshed(clone: Path) -> Path:
    """Bring the clone to the commit that is checked out here, keeping its cache. Gives the project's folder there."""
    top, below = _git("rev-parse", "--show-toplevel"), _git("rev-parse", "--show-prefix")
    commit = _git("rev-parse", "HEAD")
    known = clone / ".git" / "objects" / "info" / "alternates"
    # A clone of where the checkout lay before it was moved has no objects any more.
    if clone.exists() and not (known.exists() and Path(known.read_text().strip()).is_dir()):
        shutil.rmtree(clone)
    if not clone.exists():
        _call(["git", "clone", "--quiet", "--shared", top, str(clone)], Path.cwd())
    _call(["git", "remote", "set-url", "origin", top], clone)
    _call(["git", "fetch", "--quiet", "origin", commit], clone)
    _call(["git", "reset", "--quiet", "--hard", commit], clone)
    return clone / below


def bring_files(name: str, clone: Path) -> None:
    """Copy the files that a use case of one's own is collected from, which git ignores, into the clone."""
    files = files_folder(name)
    shutil.rmtree(clone / files, ignore_errors=True)
    if files.is_dir():
        shutil.copytree(files, clone / files)


def _git(*arguments: str) -> str:
    """What git says here. Raises PortfolioError, with the remedy, if there is no commit to show."""
    result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise PortfolioError(
            f"The demo works in a clone, and {Path.cwd()} is not in a git repository with a commit "
            f"({result.stderr.strip().splitlines()[0]}). Make it one: git init && git add --all && git commit -m start"
        )
    return result.stdout.strip()


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
def _server(clone: Path, use_case: str) -> Iterator[str]:
    """A server on a free loopback port, once it is ready; stopped by its process id."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    log = Paths(use_case).log("demo-server")
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "portfolio", "serve", use_case, "--port", str(port)]
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


def _predict(address: str, clone: Path, use_case: UseCase, model: dict[str, Any]) -> None:
    """Send the first test rows, and show the answers beside the truth."""
    import polars as pl

    fields = [InputField.model_validate(field) for field in model["inputs"]]
    rows = pl.read_parquet(clone / Paths(use_case.name).splits / "test.parquet").head(shown_rows(fields[0]))
    inputs = rows.select(field.name for field in fields).fill_nan(None).to_dicts()
    started = time.perf_counter()
    answers = list(predictions(address, inputs, model))
    milliseconds = (time.perf_counter() - started) * 1000
    classes = model["output"]["classes"]
    targets = use_case.targets(rows)
    if classes:
        predicted = [answer["class"] for answer in answers]
        actual = [classes[target] for target in targets]
        right = sum(a == b for a, b in zip(predicted, actual, strict=True))
        result = f"{right} of {len(actual)} right"
    else:
        unit = model["output"]["unit"]
        predicted, actual = (
            [f"{number(value)} {unit}".rstrip() for value in values]
            for values in ([answer["value"] for answer in answers], targets)
        )
        result = counted(len(actual), "answer")
    show_rows(fields, inputs, predicted, actual)
    console.print(f"  {result}, in one request of {milliseconds:.1f} ms", highlight=False)


def shown_rows(first: InputField) -> int:
    """How many rows to show: as many images as fit side by side, at most MAX_ROWS."""
    if first.kind != "image":
        return MAX_ROWS
    return max(1, min(MAX_ROWS, LINE_WIDTH // (_drawn_width(first) + 2)))


def show_rows(
    fields: Sequence[InputField], rows: Sequence[dict[str, Any]], predicted: Sequence[str], actual: Sequence[str]
) -> None:
    """Images side by side with the answers below; for a table, some of its inputs and the answers."""
    if fields[0].kind != "image":
        _show_table(fields, rows, predicted, actual)
        return
    drawings = [_drawing(fields[0], row[fields[0].name]) for row in rows]
    width = max(_drawn_width(fields[0]), *(cell_len(label) for label in (*predicted, *actual)))
    lines = [("", line) for line in zip(*drawings, strict=True)]
    for name, cells in (*lines, (PREDICTED, predicted), (ACTUAL, actual)):
        # A Japanese character is two columns wide.
        centred = (" " * ((width - cell_len(cell)) // 2) + cell for cell in cells)
        line = f"  {name:<11}" + "  ".join(set_cell_size(cell, width) for cell in centred)
        console.print(line.rstrip(), highlight=False, markup=False, soft_wrap=True)


def _show_table(
    fields: Sequence[InputField], rows: Sequence[dict[str, Any]], predicted: Sequence[str], actual: Sequence[str]
) -> None:
    table = Table()
    for name in (*(field.name for field in fields[:MAX_COLUMNS]), PREDICTED, ACTUAL):
        answer = name in (PREDICTED, ACTUAL)
        table.add_column(Text(name), overflow="fold", no_wrap=answer, max_width=MAX_CELL_WIDTH)
    for row, *answers in zip(rows, predicted, actual, strict=True):
        cells = [_cell(row[field.name]) for field in fields[:MAX_COLUMNS]]
        table.add_row(*(Text(cell) for cell in (*cells, *answers)))
    console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "missing"
    return number(value) if isinstance(value, float) else shorten(str(value), MAX_CELL_WIDTH, placeholder="…")


def _drawn_width(image: InputField) -> int:
    """A large image is drawn from every second pixel, every third ..."""
    return len(range(0, image.shape[1], _stride(image)))


def _stride(image: InputField) -> int:
    return ceil(max(image.shape) / MAX_IMAGE_SIDE)


def _drawing(image: InputField, values: Sequence[float]) -> list[str]:
    """An image as lines of characters: what is ink, or dark in a photo, has more of it."""
    low = min(values) if image.minimum is None else image.minimum
    high = max(values) if image.maximum is None else image.maximum
    height, width = image.shape
    stride = _stride(image)
    pixels = [sum(values[at : at + image.channels]) / image.channels for at in range(0, len(values), image.channels)]
    shares = [(value - low) / ((high - low) or 1) for value in pixels]
    ink = [INK[int((1 - share if image.photo else share) * (len(INK) - 1))] for share in shares]
    return ["".join(ink[row * width : (row + 1) * width : stride]) for row in range(0, height, stride)]
