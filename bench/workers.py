"""Our server with one worker and with two, in turns, on all cores: `python -m bench.workers` prints rates as JSON.

A request has so many rows that wrk, which asks from the same cores, needs little of them.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from bench import wrk
from bench.server import portfolio_server
from bench.subject import image_champion
from portfolio.bundle.store import Store

WORKERS = (1, 2)
ROUNDS, SECONDS = 5, 4
CONNECTIONS, ROWS = 32, 256


def main() -> None:
    wrk.require()
    bundle = image_champion()
    found: dict[int, list[dict[str, Any]]] = {count: [] for count in WORKERS}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        body = wrk.body(Path(folder) / "body.json", bundle, ROWS)
        servers = {}
        for count in WORKERS:
            state = Path(folder) / str(count)
            Store(state / "store" / bundle.manifest.use_case).publish(bundle.folder, bundle.manifest)
            servers[count] = stack.enter_context(portfolio_server(state, workers=str(count)))
        for _ in range(ROUNDS):
            for count, server in servers.items():
                found[count].append(wrk.load_all_answered(server, body, CONNECTIONS, SECONDS))
    told = {
        count: {
            "rate": median(turn["rate"] for turn in turns),
            # That the server kept busy meanwhile.
            "cores": median(turn["cpu_seconds"] / turn["seconds"] for turn in turns),
        }
        for count, turns in found.items()
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
