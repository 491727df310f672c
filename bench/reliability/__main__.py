"""Try what is claimed of the server's reliability: `make reliability`, or python -m bench.reliability [ITEM ...].

Without items all are tried, with one worker and with two, and the figures go to metrics/reliability.json; with items,
only to .state/bench. What is served is the champion of the first use case of params.yaml, which must be an image
classifier.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

from bench.peer import ENVIRONMENTS
from bench.reliability.asking import SkippedError
from bench.reliability.damage import bundles
from bench.reliability.ends import kill, sigterm, worker_killed
from bench.reliability.hostile import hostile
from bench.reliability.live import live_killed
from bench.reliability.malformed import malformed, schemathesis
from bench.reliability.pressure import large_bodies, overload, slow_clients
from bench.reliability.surroundings import clock_back, disk_full, store_gone
from bench.reliability.swaps import swaps
from bench.rows import ROOT, Row, console, machine, show, write
from bench.subject import image_champion, one_message
from portfolio.bundle.bundle import Bundle
from portfolio.core.paths import RELIABILITY

RESULTS = ROOT / RELIABILITY
ITEMS: dict[str, Callable[[Path, Bundle], list[Row]]] = {
    "swaps": swaps,
    "bundles": bundles,
    "sigterm": sigterm,
    "kill": kill,
    "worker-killed": worker_killed,
    "malformed": malformed,
    "schemathesis": schemathesis,
    "hostile": hostile,
    "large-bodies": large_bodies,
    "slow-clients": slow_clients,
    "overload": overload,
    "store-gone": store_gone,
    "disk-full": disk_full,
    "clock-back": clock_back,
    "live-killed": live_killed,
}


WORKERS = (1, 2)
OF_TWO = ("worker-killed",)
# And one that starts its API with one worker.
OF_ONE = ("live-killed",)


def main(names: list[str]) -> None:
    if unknown := [name for name in names if name not in ITEMS]:
        sys.exit(f"There is no item {', '.join(unknown)}. There are: {', '.join(ITEMS)}.")
    bundle = image_champion()
    results: dict[str, Any] = {}
    held = True
    for workers, item in product(WORKERS, names or ITEMS):
        if (item in OF_TWO and workers == 1) or (item in OF_ONE and workers == 2):
            continue
        name = item if workers == 1 or item in OF_TWO else f"{item}, {workers} workers"
        os.environ["SERVING_WORKERS"] = str(workers)
        started = time.monotonic()
        # Not under .state: the limits of a path to a socket or of a small disk are no part of what is tried.
        with tempfile.TemporaryDirectory() as folder, console.status(f"{name}: {(ITEMS[item].__doc__ or '').strip()}"):
            try:
                rows = ITEMS[item](Path(folder), bundle)
                results[name] = {"rows": [row.as_dict() for row in rows]}
                show(f"{name}, {time.monotonic() - started:.0f} s", rows)
                held = held and all(row.verdict != "missed" for row in rows)
            except SkippedError as reason:
                results[name] = {"skipped": str(reason)}
                console.print(f"[yellow]{name} is skipped:[/] {reason}")
            except Exception as error:
                # The other items are tried all the same.
                results[name] = {"failed": f"{type(error).__name__}: {error}"[:1000]}
                held = False
                console.print(f"[red]{name} failed[/]")
                traceback.print_exc()
        results[name]["seconds"] = round(time.monotonic() - started, 1)
    content = {"machine": machine(), "bundle": bundle.digest, "items": results}
    write(ENVIRONMENTS / RESULTS.name if names else RESULTS, content)
    if not held:
        sys.exit(1)


if __name__ == "__main__":
    with one_message():
        main(sys.argv[1:])
