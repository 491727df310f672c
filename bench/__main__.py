"""Measure what the README claims of speed: `make bench` writes bench/results/bench.json and prints a table.

Each figure that is compared with another is taken in turns with it, in this one call, and medians are compared.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from socket import socket
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.scale import STEPS

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results" / "bench.json"
ROUNDS = 3
ROWS = (1_800, 100_000, 1_000_000)
console = Console(highlight=False)


@dataclass(frozen=True)
class Row:
    """One line of the table. `aim` is what `value` should not be above."""

    name: str
    value: float
    unit: str
    aim: float | None = None

    @property
    def verdict(self) -> str:
        return "" if self.aim is None else "held" if self.value <= self.aim else "missed"


def environment(**more: str) -> dict[str, str]:
    """That of a user who has no state anywhere, and whose Python keeps compiled modules."""
    dropped = ("PORTFOLIO_", "PREFECT_", "MLFLOW_", "PYTHONDONTWRITEBYTECODE", "MAKE")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    return {**kept, **more}


def clone(folder: Path) -> Path:
    """A clone of the last commit, in an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    return folder


def timed(command: list[str], folder: Path, **more: str) -> float:
    started = time.perf_counter()
    result = subprocess.run(command, cwd=folder, env=environment(**more), capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{' '.join(command)} ended with {result.returncode}:\n{result.stdout[-3000:]}{result.stderr[-3000:]}")
    return time.perf_counter() - started


def printed(command: list[str], folder: Path) -> Any:
    """What a command prints last, as JSON."""
    more = {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, cwd=folder, env=environment(**more), capture_output=True, text=True, check=True)
    return json.loads(result.stdout.strip().splitlines()[-1])


def python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def first_prediction(work: Path) -> list[Row]:
    """`git clone` and `make demo`, with nothing installed and every cache of packages empty."""
    started = time.perf_counter()
    folder = clone(work / "first")
    caches = {"UV_CACHE_DIR": str(work / "uv"), "PIP_CACHE_DIR": str(work / "pip")}
    path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if ".venv" not in part)
    timed(["make", "setup"], folder, PATH=path, **caches)
    setup = time.perf_counter() - started
    timed(["make", "demo"], folder, PATH=path, **caches)
    return [
        Row("clone and set-up, empty caches", setup, "s"),
        Row("clone to the demo's end, all included", time.perf_counter() - started, "s", 120),
    ]


def loop(work: Path) -> list[Row]:
    """The flow, beside the bare script; and the flow again with nothing new."""
    whole, prefect, bare, again = [], [], [], []
    steps: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        folder = clone(work / "loop")
        whole.append(timed(python("portfolio", "run", "digits"), folder))
        seconds = _steps(folder)
        prefect.append(seconds["prefect"])
        for name, value in seconds.items():
            steps.setdefault(name, []).append(value)
        bare.append(timed(python("bench.bare", "digits"), clone(work / "bare"), PYTHONPATH=str(ROOT)))
        nothing_new = timed(python("portfolio", "run", "digits"), folder)
        again.append(nothing_new - _steps(folder)["prefect"])
    beyond = [a - b for a, b in zip(whole, prefect, strict=True)]
    return [
        Row("the loop", median(whole), "s"),
        *(Row(f"  {name}", median(values), "s") for name, values in steps.items()),
        Row("the bare script", median(bare), "s"),
        Row("(loop - Prefect's start) / bare script", median(beyond) / median(bare), "x", 1.5),
        Row("nothing new, beyond Prefect's start", median(again), "s", 3),
    ]


def _steps(folder: Path) -> dict[str, float]:
    seconds: dict[str, float] = json.loads((folder / ".state/logs/digits/run.json").read_text())["seconds"]
    return seconds


def starts(work: Path) -> list[Row]:
    """The command line's help, and the server. Needs the loop's folder."""
    folder = work / "loop"
    helps = [timed(python("portfolio", "--help"), folder) for _ in range(5)]
    return [
        Row("portfolio --help", median(helps), "s", 0.5),
        Row("make serve to /readyz", median(_ready(folder) for _ in range(5)), "s", 2),
    ]


def _ready(folder: Path) -> float:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = time.perf_counter()
    command = python("portfolio", "serve", "digits", "--port", str(port))
    process = subprocess.Popen(command, cwd=folder, env=environment())
    try:
        while process.poll() is None and time.perf_counter() - started < 60:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz"):
                    return time.perf_counter() - started
            except OSError:
                time.sleep(0.01)
    finally:
        process.terminate()
        process.wait()
    sys.exit("the server did not become ready")


def evidence(work: Path) -> list[Row]:
    """Needs the loop's folder."""
    found = printed(python("bench.evidence"), work / "loop")
    report = [timed(python("portfolio", "stage", "report", "digits"), work / "loop") for _ in range(ROUNDS)]
    return [
        Row(f"evaluation of {found['candidates']} candidates, 10,000 rows, 2,000 samples", found["seconds"], "s", 2),
        Row("the report, in both languages", median(report), "s", 10),
    ]


def lightning(work: Path) -> list[Row]:
    found = printed(python("bench.lightning"), work / "loop")
    return [
        Row("a raw PyTorch loop", found["raw_seconds"], "s"),
        Row("the same under Lightning", found["lightning_seconds"], "s"),
        Row("Lightning / raw loop", found["lightning_seconds"] / found["raw_seconds"], "x", 1.15),
        Row("their losses differ by", found["largest_loss_difference"], "", 5e-6),
    ]


def scale(work: Path) -> list[Row]:
    """Time and memory of collect, validate and prepare; from 100,000 rows to ten times as many."""
    rows = []
    found: dict[tuple[str, int], dict[str, float]] = {}
    for count in ROWS:
        folder = work / "scale"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(ROOT / "configs", folder / "configs")
        for step in STEPS:
            found[step, count] = printed(python("bench.scale", step, str(count)), folder)
    for step in STEPS:
        for count in ROWS:
            at = found[step, count]
            rows += [
                Row(f"{step}, {count:,} rows", at["seconds"], "s"),
                Row(f"{step}, {count:,} rows, memory", at["peak_mib"], "MiB"),
            ]
        small, large = found[step, ROWS[-2]], found[step, ROWS[-1]]
        growth = ROWS[-1] / ROWS[-2]
        rows += [
            Row(f"{step}: time grows / rows grow", large["seconds"] / small["seconds"] / growth, "x", 1.1),
            Row(f"{step}: memory grows / rows grow", large["peak_mib"] / small["peak_mib"] / growth, "x", 1),
        ]
    return rows


PARTS: dict[str, Callable[[Path], list[Row]]] = {
    "first_prediction": first_prediction,
    "loop": loop,
    "starts": starts,
    "evidence": evidence,
    "lightning": lightning,
    "scale": scale,
}


def main() -> None:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, part in PARTS.items():
            with console.status(f"measuring: {name.replace('_', ' ')}"):
                rows += part(Path(folder))
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    RESULTS.parent.mkdir(exist_ok=True)
    measured = [{**asdict(row), "verdict": row.verdict} for row in rows]
    RESULTS.write_text(json.dumps({"machine": machine, "rows": measured}, indent=1) + "\n")
    table = Table(title=f"{machine}")
    table.add_column("what", no_wrap=True)
    for heading in ("measured", "aim"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for row in rows:
        aim = "" if row.aim is None else f"≤ {row.aim:g} {row.unit}"
        colour = {"held": "green", "missed": "red"}.get(row.verdict, "")
        table.add_row(row.name, f"{row.value:,.2f} {row.unit}", aim, f"[{colour}]{row.verdict}[/]" if colour else "")
    console.print(table)
    console.print(f"written to {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
