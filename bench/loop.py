"""What `python -m bench` measures of the loop: from a clone to the first answer, and what each layer costs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from statistics import median

from bench.checkouts import ROUNDS, clone, environment, looped, printed, python, run, timed
from bench.rows import ROOT, Row
from bench.server import free_port
from portfolio.core.paths import default_use_case


def first_prediction(work: Path) -> list[Row]:
    """`git clone` and `make demo`, with nothing installed and every cache of packages empty; and the demo's acts."""
    started = time.perf_counter()
    folder = clone(work / "first")
    caches = {"UV_CACHE_DIR": str(work / "uv"), "PIP_CACHE_DIR": str(work / "pip")}
    path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if ".venv" not in part)
    timed(["make", "setup"], folder, PATH=path, **caches)
    setup = time.perf_counter() - started
    told = run(["make", "demo"], folder, PATH=path, **caches)
    first = re.search(r"the first answer came (\d+) s after the start", told)
    if first is None:
        sys.exit(f"the demo did not come to a first answer:\n{told[-3000:]}")
    acts = re.findall(r"^ +[✓✗-] +(\d)  (\S.*?) +([\d.]+) s", told, re.MULTILINE)
    return [
        Row("clone and set-up, empty caches", setup, "s"),
        Row("from clone to the first served prediction, everything included", setup + float(first[1]), "s", 90),
        *(Row(f"act {number}: {title}", float(seconds), "s") for number, title, seconds in acts),
        Row("all acts", sum(float(seconds) for _, _, seconds in acts), "s", 180),
    ]


def loop(work: Path) -> list[Row]:
    """The flow, beside the bare script; and the flow again with nothing new."""
    name = default_use_case()
    whole, prefect, bare, again = [], [], [], []
    steps: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        folder = clone(work / "loop")
        whole.append(timed(python("portfolio", "run", name), folder))
        seconds = _steps(folder, name)
        prefect.append(seconds["prefect"])
        for step, value in seconds.items():
            steps.setdefault(step, []).append(value)
        bare.append(timed(python("bench.bare", name), clone(work / "bare"), PYTHONPATH=str(ROOT)))
        nothing_new = timed(python("portfolio", "run", name), folder)
        again.append(nothing_new - _steps(folder, name)["prefect"])
    beyond = [a - b for a, b in zip(whole, prefect, strict=True)]
    return [
        Row("the loop", median(whole), "s"),
        *(Row(f"  {step}", median(values), "s") for step, values in steps.items()),
        Row("the bare script", median(bare), "s"),
        Row("(loop - Prefect's start) / bare script", median(beyond) / median(bare), "x", 1.5),
        Row("a run with nothing new, without Prefect's start", median(again), "s", 3),
    ]


def _steps(folder: Path, name: str) -> dict[str, float]:
    seconds: dict[str, float] = json.loads((folder / ".state" / "logs" / name / "run.json").read_text())["seconds"]
    return seconds


def starts(work: Path) -> list[Row]:
    """The command line's help, and the server."""
    folder = looped(work)
    helps = [timed(python("portfolio", "--help"), folder) for _ in range(5)]
    return [
        Row("portfolio --help", median(helps), "s", 0.5),
        Row("make serve to /readyz", median(_ready(folder) for _ in range(5)), "s", 2),
    ]


def _ready(folder: Path) -> float:
    port = free_port()
    started = time.perf_counter()
    command = python("portfolio", "serve", default_use_case(), "--port", str(port))
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
    folder = looped(work)
    found = printed(python("bench.evidence"), folder)
    report = [timed(python("portfolio", "stage", "report", default_use_case()), folder) for _ in range(ROUNDS)]
    return [
        Row(f"evaluation of {found['candidates']} candidates, 10,000 rows", found["seconds"], "s", 2),
        Row("the report, in both languages", median(report), "s", 10),
    ]


def lightning(work: Path) -> list[Row]:
    found = printed(python("bench.lightning"), looped(work))
    return [
        Row("a raw PyTorch loop", found["raw_seconds"], "s"),
        Row("the same under Lightning", found["lightning_seconds"], "s"),
        Row("Lightning / raw loop", found["lightning_seconds"] / found["raw_seconds"], "x", 1.15),
        Row("largest difference in their losses", found["largest_loss_difference"], "", 5e-6),
    ]
