"""Everything at once, as `portfolio live` starts it, with its processes killed one after the other under traffic."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from bench.clients import Clients
from bench.reliability.asking import body, call, predict_request, publish, wait_until
from bench.reliability.ends import Received, is_whole, logged
from bench.rows import ROOT, Row
from bench.server import free_port
from pipelines.record import Running, read_record
from portfolio.bundle.bundle import Bundle
from serving.record.recorder import SECONDS_TO_DISK

START_SECONDS, READY_SECONDS = 180.0, 15.0
# What a run's process does with them, or without.
OF_RUNS = ("prefect", "deployments")
RUN_SECONDS = 6.0
# A run that was lost must not keep its deployment's place until that expires, after five minutes.
SLOT_SECONDS = 120.0
# They ask again at once, and the servers that start beside them need the cores too.
FEW_CONNECTIONS = 1


def live_killed(work: Path, like: Bundle, *, count: int = 20, seed: int = 0) -> list[Row]:
    """Each time all must be there again within 15 seconds; no answer is missing from the log, and nothing is left."""
    publish(work, like, 1)
    moments = random.Random(seed)
    received = Received()
    owed: set[str] = set()
    slowest, late = 0.0, 0
    ports = {name: free_port() for name in ("port", "mlflow-port", "prefect-port")}
    with _live(work, like.manifest.use_case, ports) as record:
        url, prefect = (f"http://127.0.0.1:{ports[name]}" for name in ("port", "prefect-port"))
        wait_until(lambda: _deployment(prefect)[0] == 200, START_SECONDS)
        everything = set(_tree(record))
        returned_at = time.time()
        with Clients(url, predict_request(url, body(like)), FEW_CONNECTIONS, received.see) as clients:
            for _ in range(count):
                time.sleep(SECONDS_TO_DISK + moments.uniform(0.2, 1))
                before = {one.name: one for one in read_record(record)[1:]}
                killed = before[moments.choice(sorted(before))]
                if killed.name in OF_RUNS:
                    # So that there is a run under way which loses it.
                    _begin_run(prefect)
                    time.sleep(moments.uniform(0, RUN_SECONDS))
                at = time.time()
                os.kill(killed.pid, signal.SIGKILL)
                seconds = wait_until(lambda old=killed: _are_ready(record, old), START_SECONDS)  # type: ignore[misc]
                slowest, late = max(slowest, seconds), late + (seconds > READY_SECONDS)
                if killed.name == "api":
                    owed |= received.owed(at, returned_at)
                    returned_at = time.time()
                everything |= set(_tree(record))
            failed = clients.failed - clients.lost
        run = _begin_run(prefect)
        began = wait_until(lambda: _has_ended(prefect, run), SLOT_SECONDS)
    left = [one for one in everything if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    return [
        Row("kills of a process of `portfolio live`", count, ""),
        Row("answers", len(received.at), "", at_least=count),
        Row("wrong answers", failed, "", at_most=0),
        Row("slowest return to all ready", slowest, "s", at_most=READY_SECONDS),
        Row("returns that took longer", late, "", at_most=0),
        Row(
            f"answers sent more than {SECONDS_TO_DISK:g} s before a kill of the API, and missing from the log",
            len(owed - logged(work)),
            "",
            at_most=0,
        ),
        Row("time until a run of a deployment is through afterwards", began, "s", at_most=SLOT_SECONDS),
        Row("damaged logs", not is_whole(work), "", at_most=0),
        Row("processes left after it was stopped", len(left), "", at_most=0),
    ]


@contextmanager
def _live(work: Path, use_case: str, ports: dict[str, int]) -> Iterator[Path]:
    """Run it, with its state in `work`; gives the file that tells of its processes."""
    record = work / "live.json"
    environment = {key: value for key, value in os.environ.items() if key not in ("PREFECT_API_URL", "SERVING_WORKERS")}
    environment["PORTFOLIO_STATE"] = str(work)
    command = [sys.executable, "-m", "portfolio"]
    options = [text for name, port in ports.items() for text in (f"--{name}", str(port))]
    with (work / "live.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "live", use_case, *options], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: "Ready." in (work / "live.log").read_text() or process.poll() is not None, START_SECONDS)
        yield record
    finally:
        subprocess.run([*command, "stop"], cwd=ROOT, env=environment, check=False, capture_output=True)
        process.wait(timeout=60)


def _are_ready(record: Path, killed: Running) -> bool:
    now = {one.name: one for one in read_record(record)[1:]}
    return killed.name in now and now[killed.name].pid != killed.pid and all(one.answers() for one in now.values())


def _begin_run(prefect: str) -> str:
    """Begin a run of the monitoring flow. Gives its id.

    As from the pages: a server that has just been started again may refuse it once, and takes it then.
    """
    ids: list[str] = []

    def begun() -> bool:
        status, answer = _deployment(prefect)
        if status == 200:
            status, answer, _ = call(f"{prefect}/api/deployments/{answer['id']}/create_flow_run", b"{}")
        if status == 201:
            ids.append(answer["id"])
        else:
            print(f"a run was refused: {status} {str(answer)[:200]}")
        return bool(ids)

    wait_until(begun, READY_SECONDS)
    return ids[0]


def _deployment(prefect: str) -> tuple[int, Any]:
    """The answer to whether the monitoring flow is deployed yet."""
    status, answer, _ = call(f"{prefect}/api/deployments/name/monitoring/portfolio")
    return status, answer


def _has_ended(prefect: str, run: str) -> bool:
    return bool(call(f"{prefect}/api/flow_runs/{run}")[1]["state"]["type"] == "COMPLETED")


def _tree(record: Path) -> Iterator[psutil.Process]:
    """All processes that belong to it at the moment."""
    for one in read_record(record):
        try:
            process = psutil.Process(one.pid)
            yield from (process, *process.children(recursive=True))
        except psutil.NoSuchProcess:
            continue
