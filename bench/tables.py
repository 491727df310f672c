"""What `python -m bench` measures of tables: libraries, growth with the rows, one's own data, and what is left out."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from statistics import median
from typing import Any

from bench import large_table as large
from bench.checkouts import ROUNDS, clone, environment, printed, python, timed
from bench.frames import LIBRARIES
from bench.leaks import GIVEN_AWAY, HONEST, found_share
from bench.own_data import OWN, TARGET, measured, write_rows
from bench.rows import ROOT, Row
from bench.scale import STEPS
from bench.server import portfolio_server
from portfolio.contract.loading import load_use_case
from portfolio.contract.sources import Csv
from portfolio.core.paths import Paths, default_use_case, listed_use_cases

ROWS = (1_800, 100_000, 1_000_000)
LARGE = (250_000, 1_000_000)
# From `portfolio new` to an answer, by what is predicted from what.
CLASSES_SECONDS, QUANTITY_SECONDS, TEXT_SECONDS = 60, 120, 300


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


def new_to_champion(work: Path) -> list[Row]:
    """From `portfolio new` to a served champion, with the file of each use case that has one on the web."""
    rows = []
    for name in listed_use_cases():
        use_case = load_use_case(name)
        source = use_case.source
        if not isinstance(source, Csv) or not source.url:
            continue
        (first, *_) = use_case.inputs
        is_text = first.kind == "text"
        quantity = use_case.output.task == "regression"
        at_most = TEXT_SECONDS if is_text else QUANTITY_SECONDS if quantity else CLASSES_SECONDS
        options = ["--text", first.name] if is_text else []
        if source.written.columns:
            options += ["--columns", ",".join(source.written.columns)]
        folder = clone(work / "new_to_champion")
        new = python("portfolio", "new", OWN, source.url, "--target", use_case.target.column, *options, "--yes")
        seconds = {"new": timed(new, folder), "run": timed(python("portfolio", "run", OWN), folder)}
        with portfolio_server(folder / ".state", cwd=folder, use_case=OWN) as server:
            seconds["serve"] = server.ready_seconds
        rows += [Row(f"{name}: portfolio {step}", value, "s") for step, value in seconds.items()]
        rows.append(Row(f"{name}: from portfolio new to a served champion", sum(seconds.values()), "s", at_most))
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
