"""How often the monitor is wrong, and how soon it is right: `make bench-monitor` writes metrics/monitor_bench.json.

The looks are simulated with the functions of the monitor itself. Beside it, evidently with its defaults, in an
environment of its own. `python -m bench.monitor PART ...` measures some parts, and leaves the others as they are.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench import years
from bench.estimates import concept_drift, covariate_shift
from bench.monitor_speed import speed
from bench.rows import ROOT, Row, console, machine, show, write
from bench.windows import found_windows, theirs
from bench.years import Setting
from portfolio.core.paths import MONITOR_BENCH

# A fiftieth of the machine's answers; and those of busy services, which find limits that are a little too low.
LABELS_A_DAY = (9, 100, 900)
SETTINGS = (Setting(300, 0.005), Setting(2_000, 0.03), Setting(300, 0.1))
WARNED_AT = (100, 500, 5_000)


def false_alarms(_: Path) -> list[Row]:
    random, rows = np.random.default_rng(0), []
    for setting in SETTINGS:
        ever, warned = years.years(random, setting, LABELS_A_DAY)
        of = f"{setting.test_rows:,} test rows, error rate {setting.error_rate:.1%}"
        for labels, share in zip(LABELS_A_DAY, ever, strict=True):
            name = f"{years.YEARS:,} years of daily looks, {of}, {labels} labels a day: ever called harmful"
            rows.append(Row(name, 100 * share, "%", at_most=1))
        rows.append(Row(f"  of their windows of {years.ROWS_A_DAY} rows, {of}: warn", 100 * warned, "%", at_most=5))
    for count in WARNED_AT:
        fields = years.Fields(random, 1_000, 5_000)
        share = float(np.mean([fields.warns(count).mean() for _ in range(4)]))
        rows.append(Row(f"windows of {count:,} rows without change: drift is told", 100 * share, "%", at_most=5))
    share = years.days_of_moved_volume(random, years=200)
    rows.append(
        Row("days that vary by chance and by weekday: more or fewer rows are told", 100 * share, "%", at_most=1)
    )
    return rows


def power(_: Path) -> list[Row]:
    random, rows = np.random.default_rng(1), []
    for when, looks in (("from the first day", 0), ("after 100 looks without change", 100)):
        for test_rows in (2_000, 10_000):
            for rate in (0.01, 0.03, 0.05, 0.1):
                needed = years.labels_needed(random, Setting(test_rows, rate), 0.05, looks_before=looks)
                # What no half of the tries finds has no median; JSON has no infinity.
                told = needed if math.isfinite(needed) else 2_000
                name = f"median labels for 5 points more errors than {rate:.0%}, {when}, {test_rows:,} test rows"
                rows.append(Row(name, told, "labels", at_most=300))
    return rows


def windows(folder: Path) -> list[Row]:
    ours = found_windows(folder)
    return [*ours, *theirs(folder)]


PARTS: dict[str, Callable[[Path], list[Row]]] = {
    "false_alarms": false_alarms,
    "power": power,
    "windows": windows,
    "estimates": lambda _: [*covariate_shift(), *concept_drift()],
    "speed": speed,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.monitor", description="Measure the monitor's error rates.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all of them if none is named")
    parts = parser.parse_args().parts or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    path = ROOT / MONITOR_BENCH
    with tempfile.TemporaryDirectory() as folder:
        for name in parts:
            with console.status(f"measuring: {name.replace('_', ' ')}"):
                rows = PARTS[name](Path(folder))
            found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
            found[name] = {"machine": machine(), "rows": [row.as_dict() for row in rows]}
            write(path, {part: found[part] for part in PARTS if part in found})
            show(name.replace("_", " "), rows)
    console.print("To update the figures in the docs: make readme")


if __name__ == "__main__":
    main()
