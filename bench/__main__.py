"""Measure what the README and docs/decisions claim of speed: `make bench` writes metrics/bench.json and prints it.

`python -m bench PART ...` measures some parts, and leaves the others as they are in the file. What is measured is the
last commit's first use case of params.yaml. Figures that are compared with each other are measured in turns, in this
one call, and medians are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from socket import socket
from statistics import median
from typing import Any

from bench import large_table as large
from bench.frames import LIBRARIES
from bench.leaks import GIVEN_AWAY, HONEST, found_share
from bench.own_data import TARGET, measured, write_rows
from bench.rows import ROOT, Row, console, record
from bench.scale import STEPS
from bench.subject import image_of
from portfolio.contract.loading import load_use_case
from portfolio.core.errors import PortfolioError
from portfolio.core.paths import Paths, default_use_case

ROUNDS = 3
ROWS = (1_800, 100_000, 1_000_000)
LARGE = (250_000, 1_000_000)


def environment(**more: str) -> dict[str, str]:
    """The variables of a user who has no state anywhere, and whose Python keeps compiled modules."""
    dropped = ("PORTFOLIO_", "PREFECT_", "MLFLOW_", "PYTHONDONTWRITEBYTECODE", "MAKE")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    return {**kept, **more}


def clone(folder: Path) -> Path:
    """A clone of the last commit, in an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    return folder


def run(command: list[str], folder: Path, **more: str) -> str:
    """What a command prints. If it fails, everything ends with what it printed."""
    result = subprocess.run(command, cwd=folder, env=environment(**more), capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{' '.join(command)} ended with {result.returncode}:\n{result.stdout[-3000:]}{result.stderr[-3000:]}")
    return result.stdout


def timed(command: list[str], folder: Path, **more: str) -> float:
    started = time.perf_counter()
    run(command, folder, **more)
    return time.perf_counter() - started


def printed(command: list[str], folder: Path) -> Any:
    """What a command prints last, as JSON."""
    return json.loads(run(command, folder, PYTHONPATH=str(ROOT)).strip().splitlines()[-1])


def python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


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


def looped(work: Path) -> Path:
    """A clone in which the loop has run."""
    folder = work / "loop"
    if not folder.exists():
        timed(python("portfolio", "run", default_use_case()), clone(folder))
    return folder


def starts(work: Path) -> list[Row]:
    """The command line's help, and the server."""
    folder = looped(work)
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


def inference(work: Path) -> list[Row]:
    """The same models in ONNX Runtime and in the library they were trained with; each answers in a new process too."""
    use_case = load_use_case(default_use_case())
    # Asked here, because the loop takes half a minute.
    image_of(use_case.name, use_case.inputs, use_case.output)
    folder = looped(work)
    found = printed(python("bench.inference"), folder)
    rows = []
    for model, by_library in found.items():
        model = model.replace("_", " ")
        for count, milliseconds in by_library.items():
            own, onnx = milliseconds["own"], milliseconds["onnx"]
            what = f"{model}, {count} row{'' if count == '1' else 's'}"
            rows += [
                Row(f"{what}, its own library", own, "ms"),
                Row(f"{what}, ONNX Runtime", onnx, "ms"),
                Row(f"{what}: ONNX Runtime / its own library", onnx / own, "x"),
            ]
    first: dict[str, list[dict[str, float]]] = {}
    for _ in range(ROUNDS):
        for library in ("torch", "sklearn", "onnxruntime"):
            first.setdefault(library, []).append(printed(python("bench.first_answer", library), folder))
    for library, runs in first.items():
        rows += [
            Row(f"{library}, from import to first answer", median(run["seconds"] for run in runs), "s"),
            Row(f"{library}, memory at that point", median(run["peak_mib"] for run in runs), "MiB"),
        ]
    return rows


def one_row(work: Path) -> list[Row]:
    """One row of each use case that has a champion here, beside one of the first use case."""
    found = printed(python("bench.one_row"), ROOT)
    first = found[default_use_case()]
    return [
        *(Row(f"one row of {name}, CPU time", microseconds, "µs") for name, microseconds in found.items()),
        *(
            # The target is for tables. A text is as long as it is.
            Row(f"{name} / {default_use_case()}", microseconds / first, "x", 1.5 if _is_table(name) else None)
            for name, microseconds in found.items()
            if name != default_use_case()
        ),
    ]


def _is_table(use_case: str) -> bool:
    return {field.kind for field in load_use_case(use_case).inputs} <= {"number", "category"}


def workers(work: Path) -> list[Row]:
    """Two workers beside one, on two cores."""
    found = printed(python("bench.workers"), ROOT)
    return [
        *(
            Row(f"{count} {'worker' if count == '1' else 'workers'}", rate, "requests/s")
            for count, rate in found.items()
        ),
        Row("two workers / one", found["2"] / found["1"], "x", at_least=1.8),
    ]


def scoring(work: Path) -> list[Row]:
    """Rows a second of `portfolio score`, beside those of a bare loop over the same arrays."""
    found = printed(python("bench.scoring"), looped(work))
    bare = max(found["bare_one_thread"], found["bare_all_threads"])
    return [
        Row("a bare loop over ONNX Runtime, one thread", found["bare_one_thread"], "rows/s"),
        Row("the same with its own choice of threads", found["bare_all_threads"], "rows/s"),
        Row("portfolio score, from file to file", found["score"], "rows/s"),
        Row("portfolio score / the faster bare loop", found["score"] / bare, "x", at_least=0.6),
    ]


def frames(work: Path) -> list[Row]:
    """What `validate` and `prepare` do to rows, in Polars and in pandas."""
    folder = work / "frames"
    folder.mkdir()
    timed(python("bench.frames", "make"), folder, PYTHONPATH=str(ROOT))
    found: dict[str, list[dict[str, Any]]] = {library: [] for library in LIBRARIES}
    for _ in range(ROUNDS):
        for library, runs in found.items():
            runs.append(printed(python("bench.frames", library), folder))
    if len({str(run["rows"]) for runs in found.values() for run in runs}) != 1:
        sys.exit(f"the libraries do not come to the same rows: {found}")
    rows = []
    for key, what, unit, aim in (("seconds", "time", "s", 1), ("peak_mib", "memory", "MiB", None)):
        of = {library: median(run[key] for run in runs) for library, runs in found.items()}
        rows += [Row(f"{library}, {what}", value, unit) for library, value in of.items()]
        rows.append(Row(f"polars / pandas, {what}", of["polars"] / of["pandas"], "x", aim))
    return rows


def scale(work: Path) -> list[Row]:
    """Time and memory of collect, validate and prepare; from 100,000 rows to ten times as many."""
    rows = []
    found: dict[tuple[str, int], dict[str, float]] = {}
    name, folder, collected = default_use_case(), clone(work / "scale"), work / "collected"
    timed(python("portfolio", "collect", name), folder)
    (folder / Paths(name).batches).rename(collected)
    for count in ROWS:
        shutil.rmtree(folder / Paths(name).batches, ignore_errors=True)
        for step in STEPS:
            found[step, count] = printed(python("bench.scale", step, str(count), str(collected)), folder)
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


def own_data(work: Path) -> list[Row]:
    """`portfolio new` over a file of ten thousand rows, and of five million; and `portfolio check`."""
    folder, rows = clone(work / "own_data"), []
    for count, seconds_at_most, mib_at_most in ((10_000, 1, None), (5_000_000, 20, 1024)):
        file = folder / f"{count}.csv"
        write_rows(file, count)
        made, checked = [], []
        for number in range(ROUNDS):
            name = f"rows_{count}_{number}"
            made.append(
                measured(python("portfolio", "new", name, str(file), "--target", TARGET), folder, environment())
            )
            checked.append(measured(python("portfolio", "check", name), folder, environment()))
            timed(python("portfolio", "remove", name, "--yes"), folder)
        rows += [
            Row(f"portfolio new, {count:,} rows", median(run.seconds for run in made), "s", seconds_at_most),
            Row(f"portfolio new, {count:,} rows, CPU time", median(run.cpu_seconds for run in made), "s"),
            Row(f"portfolio new, {count:,} rows, memory", median(run.peak_mib for run in made), "MiB", mib_at_most),
            Row(f"portfolio check, {count:,} rows", median(run.seconds for run in checked), "s", 2),
        ]
    return rows


def large_table(work: Path) -> list[Row]:
    """The whole loop over a million rows with 30 inputs, and over a quarter of them."""
    folder, found = clone(work / "large_table"), {}
    for count in LARGE:
        file, name = work / f"{count}.parquet", f"rows_{count}"
        timed(python("bench.large_table", str(count), str(file)), folder)
        timed(python("portfolio", "new", name, str(file), "--target", large.TARGET, "--key", large.KEY), folder)
        found[count] = measured(python("portfolio", "run", name), folder, environment())
        timed(python("portfolio", "remove", name, "--yes"), folder)
    small, most = (found[count] for count in LARGE)
    growth = LARGE[1] / LARGE[0]
    return [
        *(Row(f"portfolio run, {count:,} rows, CPU time", run.cpu_seconds, "s") for count, run in found.items()),
        Row(f"portfolio run, {LARGE[1]:,} rows", most.seconds, "s", 600),
        Row(f"portfolio run, {LARGE[1]:,} rows, memory", most.peak_mib, "MiB", 4096),
        Row("portfolio run: time grows / rows grow", most.seconds / small.seconds / growth, "x", 1.1),
    ]


def leaks(work: Path) -> list[Row]:
    """How often a column is left out for giving the target away, where it does and where it does not."""
    rows = []
    for count, tries in ((500, 400), (5_000, 100)):
        for kinds, at_most in ((GIVEN_AWAY, None), (HONEST, 5)):
            for name, (maker, quantity) in kinds.items():
                share = 100 * found_share(maker, quantity, count, tries)
                rows.append(Row(f"{name}, {count:,} rows: left out", share, "%", at_most))
    return rows


PARTS: dict[str, Callable[[Path], list[Row]]] = {
    "first_prediction": first_prediction,
    "loop": loop,
    "starts": starts,
    "evidence": evidence,
    "lightning": lightning,
    "inference": inference,
    "one_row": one_row,
    "workers": workers,
    "scoring": scoring,
    "frames": frames,
    "scale": scale,
    "own_data": own_data,
    "large_table": large_table,
    "leaks": leaks,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure what the docs claim of speed.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all of them if none is named")
    parts = parser.parse_args().parts or list(PARTS)
    left_out = False
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory() as folder:
        for name in parts:
            try:
                with console.status(f"measuring: {name.replace('_', ' ')}"):
                    rows = PARTS[name](Path(folder))
            except PortfolioError as error:
                console.print(f"[yellow]{name} is left out:[/] {error}")
                left_out = True
                continue
            record(name, rows)
    console.print("To update the figures in the docs: make readme")
    if left_out:
        sys.exit(1)


if __name__ == "__main__":
    main()
