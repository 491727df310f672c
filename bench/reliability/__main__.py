"""Try what is claimed of reliability: `make reliability`, or python -m bench.reliability [ITEM[=COUNT] ...].

Without items all are tried, those of the server with one worker and with two. The figures of each go to
metrics/reliability.json when it is done, and leave the others as they are there. A count says how often:
live-killed=100. What is served is the champion of the first use case of params.yaml, which must be an image classifier;
flows run in a project of their own, with the tests' small use case.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any

from bench.reliability.approvals import approval_killed
from bench.reliability.asking import SkippedError
from bench.reliability.damage import bundles
from bench.reliability.ends import kill, sigterm, worker_killed
from bench.reliability.full_disk import flows_disk_full
from bench.reliability.hostile import hostile
from bench.reliability.live import live_killed
from bench.reliability.malformed import malformed, schemathesis
from bench.reliability.poison import poisoned_batches, poisoned_labels
from bench.reliability.pressure import large_bodies, overload, slow_clients
from bench.reliability.prunings import pruning_killed
from bench.reliability.servers import servers_killed
from bench.reliability.steps import monitoring_killed, scoring_killed, training_killed
from bench.reliability.surroundings import clock_back, disk_full, store_gone
from bench.reliability.swaps import swaps
from bench.reliability.trainings import trainings_at_once
from bench.reliability.unchanged import unchanged
from bench.reliability.week import week
from bench.rows import ROOT, Row, console, machine, show
from bench.subject import image_champion, one_message
from portfolio.core.files import write_text
from portfolio.core.paths import RELIABILITY

RESULTS = ROOT / RELIABILITY
Item = Callable[..., list[Row]]
OF_SERVER: dict[str, Item] = {
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
OF_FLOWS: dict[str, Item] = {
    "training-killed": training_killed,
    "monitoring-killed": monitoring_killed,
    "scoring-killed": scoring_killed,
    "pruning-killed": pruning_killed,
    "approval-killed": approval_killed,
    "servers-killed": servers_killed,
    "trainings-at-once": trainings_at_once,
    "flows-disk-full": flows_disk_full,
    "poisoned-batches": poisoned_batches,
    "poisoned-labels": poisoned_labels,
    "unchanged": unchanged,
    "week": week,
}
ITEMS = OF_SERVER | OF_FLOWS
WORKERS = (1, 2)
OF_TWO = ("worker-killed",)
# And one that starts its API with one worker.
OF_ONE = ("live-killed",)


def main(wanted: list[str]) -> None:
    chosen = options(wanted)
    served = [] if all(item in OF_FLOWS for item in chosen or ITEMS) else [image_champion()]
    held, seconds = True, 0.0
    for workers, item in product(WORKERS, chosen or ITEMS):
        if (item in OF_TWO and workers == 1) or (item in (*OF_ONE, *OF_FLOWS) and workers == 2):
            continue
        name = item if workers == 1 or item in OF_TWO else f"{item}, {workers} workers"
        os.environ["SERVING_WORKERS"] = str(workers)
        result: dict[str, Any] = {"machine": machine()}
        started = time.monotonic()
        # Not under .state: the limits of a path to a socket or of a small disk are no part of what is tried.
        with tempfile.TemporaryDirectory() as folder, console.status(f"{name}: {(ITEMS[item].__doc__ or '').strip()}"):
            try:
                rows = ITEMS[item](Path(folder), *(() if item in OF_FLOWS else served), **chosen.get(item, {}))
                result["rows"] = [row.as_dict() for row in rows]
                show(f"{name}, {time.monotonic() - started:.0f} s", rows)
                held = held and all(row.verdict != "missed" for row in rows)
            except SkippedError as reason:
                result["skipped"] = str(reason)
                console.print(f"[yellow]{name} is skipped:[/] {reason}")
            except Exception as error:
                # The other items are tried all the same.
                result["failed"] = f"{type(error).__name__}: {error}"[:1000]
                held = False
                console.print(f"[red]{name} failed[/]")
                traceback.print_exc()
        result["seconds"] = round(time.monotonic() - started, 1)
        seconds += result["seconds"]
        if item in OF_FLOWS:
            _record("flows", name, result)
        else:
            _record("items", name, {"bundle": served[0].digest, **result})
    console.print(f"all together: {seconds / 60:.1f} minutes; written to {RELIABILITY}")
    if not held:
        sys.exit(1)


def _record(kind: str, name: str, result: dict[str, Any]) -> None:
    """Put an item's result into the file, beside those of the others."""
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    found[kind] = found.get(kind, {}) | {name: result}
    write_text(RESULTS, json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def options(wanted: list[str]) -> dict[str, dict[str, int]]:
    """The items that were asked for, each with its count if that was given. Ends with a message if there is no such."""
    found = {}
    for name, _, count in (one.partition("=") for one in wanted):
        if name not in ITEMS:
            sys.exit(f"There is no item {name}. There are: {', '.join(ITEMS)}.")
        counted = "count" in signature(ITEMS[name]).parameters
        if count and not (counted and count.isdecimal()):
            sys.exit(f"{name}={count}: " + ("a count is a whole number." if counted else f"{name} has no count."))
        found[name] = {"count": int(count)} if count else {}
    return found


if __name__ == "__main__":
    with one_message():
        main(sys.argv[1:])
