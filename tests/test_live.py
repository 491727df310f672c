"""Everything at once, as `make live` starts it (`portfolio live`), with the real tools."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from pipelines.record import Running, read_record
from tests.checkouts import checkout_of_one
from tests.serving.runtime.test_hot_swap import free_port
from tests.workspace import TOY

SECONDS = 180


def wait_until(condition: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.1)


def programs(folder: Path) -> dict[str, Running]:
    return {one.name: one for one in read_record(folder / ".state" / "live.json")}


def begun_again(now: dict[str, Running], before: dict[str, Running], *names: str) -> bool:
    """What has ended is in no record until it is started again."""
    return all(name in now and now[name].pid != before[name].pid for name in names)


@pytest.mark.timeout(600)
def test_everything_starts_in_order_is_kept_running_and_ends_together(tmp_path: Path) -> None:
    folder = checkout_of_one(tmp_path / "live")
    port, mlflow, prefect = (free_port() for _ in range(3))
    dropped = ("PORTFOLIO_STATE", "PREFECT_API_URL", "MLFLOW_TRACKING_URI")
    environment = {key: value for key, value in os.environ.items() if key not in dropped}
    ports = ["--port", str(port), "--mlflow-port", str(mlflow), "--prefect-port", str(prefect)]
    log = tmp_path / "live.log"

    def portfolio(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "portfolio", *arguments]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)

    with log.open("w") as stream:
        command = [sys.executable, "-m", "portfolio", "live", TOY, *ports]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=stream, stderr=stream)
    try:
        # Without a champion, the first one is trained on the way.
        wait_until(lambda: "Ready." in log.read_text() or process.poll() is not None, log)
        told = log.read_text()
        names = ["prefect", "training", "mlflow", "api", "deployments"]
        places = [told.find(f"\N{CHECK MARK} {name}") for name in names]
        assert -1 not in places, told
        assert places == sorted(places)
        assert portfolio("status").returncode == 0
        # They are there by then, to be started by whoever reads that it is ready.
        with urlopen(f"http://127.0.0.1:{prefect}/api/deployments/name/monitoring/portfolio") as answer:
            assert json.load(answer)["name"] == "portfolio"
        with urlopen(f"http://127.0.0.1:{port}/model") as answer:
            assert json.load(answer)["use_case"] == TOY

        # By its schedules, the loop goes on by itself.
        for line in (r"monitoring .*20\d\d-\d\d-\d\d \d\d:\d0 UTC", r"training .*20\d\d-\d\d-\d\d 03:00 UTC"):
            wait_until(lambda line=line: re.search(line, portfolio("status").stdout), log)  # type: ignore[misc]

        before = programs(folder)
        for name in ("api", "deployments"):
            os.kill(before[name].pid, signal.SIGKILL)
        wait_until(lambda: begun_again(programs(folder), before, "api", "deployments"), log)
        wait_until(lambda: programs(folder)["api"].answers(), log)
        assert programs(folder)["prefect"].pid == before["prefect"].pid

        running = [psutil.Process(one.pid) for one in programs(folder).values()]
        everything = {*running, *(child for one in running for child in one.children(recursive=True))}
        ended = portfolio("stop")
        assert ended.stdout == "Ended: prefect, mlflow, api, deployments.\n"
        assert process.wait(timeout=60) == 0
        psutil.wait_procs(everything, timeout=30)
        assert [one for one in everything if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
        assert portfolio("status").returncode == 1
    finally:
        portfolio("stop")
        process.kill()
        process.wait()
