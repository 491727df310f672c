"""kill -9 of each flow at the start, in the middle and at the end of each of its steps, and on with the next run.

The kills follow each other in one project, so that the result at the end has stood all of them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise, product
from pathlib import Path
from typing import Any

from bench.reliability import toy
from bench.reliability.asking import wait_until
from bench.rows import Row, console
from portfolio.bundle.bundle import Bundle
from portfolio.core import files
from portfolio.monitoring import monitor
from tests.conftest import TOY

MOMENTS = ("begin", "middle", "end")
ROWS = 200
"""Answered before each run of the monitoring flow."""


@dataclass(frozen=True)
class Flow:
    """A flow in a project, on a server of Prefect."""

    name: str
    parameters: dict[str, Any]
    project: Path
    api: str
    log: Path
    """What its last run said."""
    more: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def begun(self, *point: str) -> Iterator[tuple[subprocess.Popen[bytes], Iterator[str]]]:
        """Its process, with what it tells of its steps; `point` as `bench.reliability.stepping` has it."""
        ours, theirs = os.pipe()
        command = [sys.executable, "-m", "bench.reliability.stepping", self.name, json.dumps(self.parameters)]
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [*command, str(theirs), *point],
                cwd=self.project,
                env=toy.environment(self.project, PREFECT_API_URL=self.api, **self.more),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs],
            )
        os.close(theirs)
        patience = threading.Timer(toy.RUN_SECONDS, process.kill)
        patience.start()
        try:
            with os.fdopen(ours) as told:
                yield process, iter(told.readline, "")
                process.wait()
        finally:
            patience.cancel()
            process.kill()
            process.wait()

    def run(self) -> dict[str, float]:
        """Run it to its end. Gives the seconds of each step. Raises RuntimeError if it fails."""
        began, seconds = {}, {}
        with self.begun() as (process, told):
            for line in told:
                when, step = line.split()[0], line.split(maxsplit=1)[1].strip()
                if when == "begin":
                    began[step] = time.monotonic()
                else:
                    seconds[step] = time.monotonic() - began[step]
        if process.returncode:
            raise RuntimeError(f"{self.name} ended with {process.returncode}: {self.log.read_text()[-3000:]}")
        return seconds

    def kill(self, moment: str, step: str, seconds: float) -> bool:
        """Run it, and kill it at a moment of a step that takes so many seconds. Says whether it came there."""
        when = "begin" if moment == "middle" else moment
        point = () if moment == "middle" else (when, step, "stop")
        with self.begun(*point) as (process, told):
            for line in told:
                if line == f"{when} {step}\n":
                    if moment == "middle":
                        time.sleep(seconds / 2)
                    process.send_signal(signal.SIGKILL)
                    return process.wait() == -signal.SIGKILL
        return False


def training_killed(work: Path, like: Bundle, *, only: Collection[str] = ()) -> list[Row]:
    """The training flow is killed at each of its steps, and run again: the results are those of an undisturbed run."""
    with toy.prefect_server(work) as prefect:
        api = f"{prefect.url}/api"
        whole = Flow("training", {"use_case": TOY}, toy.copy(toy.untrained(), work / "whole"), api, work / "run.log")
        killed = Flow("training", {"use_case": TOY}, toy.copy(toy.untrained(), work / "killed"), api, work / "run.log")
        seconds = whole.run()
        steps = [step for step in seconds if not only or step in only]
        came = sum(killed.kill(moment, step, seconds[step]) for step, moment in product(steps, MOMENTS))
        killed.run()
    return [
        Row("steps of the training flow, its stages among them", len(steps), "", at_least=1),
        Row("kills, at the start, in the middle and at the end of each", came, "", at_least=len(MOMENTS) * len(steps)),
        *aftermath(killed.project, toy.differing(toy.results(killed.project), toy.results(whole.project))),
        Row("records that MLflow takes to be under way", toy.unfinished_records(killed.project), "", at_most=0),
    ]


def monitoring_killed(work: Path, like: Bundle) -> list[Row]:
    """The monitoring flow is killed at each of its steps: every answer and every label is looked at once."""
    project = toy.copy(toy.trained(), work / "project")
    with toy.prefect_server(work) as prefect, toy.served(project) as url:
        flow = Flow("monitoring", {"use_case": TOY}, project, f"{prefect.url}/api", work / "run.log")
        asked = [toy.ask(url, *toy.rows(ROWS, seed=0))]
        _settle(project, asked)
        seconds = flow.run()
        moments = list(product(seconds, MOMENTS))
        for seed, (step, moment) in enumerate(moments, start=1):
            asked.append(toy.ask(url, *toy.rows(ROWS, seed)))
            _settle(project, asked)
            flow.kill(moment, step, seconds[step])
        flow.run()
    looks = toy.looks(project)
    rows, labels = sum(one.rows for one in asked), sum(one.labels for one in asked)
    gaps = sum(before.end != after.start for before, after in pairwise(looks))
    return [
        Row("steps of the monitoring flow", len(seconds), "", at_least=1),
        Row("kills, at the start, in the middle and at the end of each", len(moments), ""),
        Row("answers", rows, "", at_least=1),
        Row("answers looked at twice or never", abs(sum(look.rows for look in looks) - rows), "", at_most=0),
        Row("labels counted twice or never", abs(sum(look.labels for look in looks) - labels), "", at_most=0),
        Row("looks that do not begin where the one before ended", gaps, "", at_most=0),
        *aftermath(project, []),
    ]


def _settle(project: Path, asked: Sequence[toy.Asked]) -> None:
    """Return when all that was asked is in the log, and long enough ago for a look."""
    wait_until(lambda: toy.logged_rows(project) == sum(one.rows for one in asked))
    time.sleep(monitor.LAG.total_seconds())


def scoring_killed(work: Path, like: Bundle, *, rows: int = 300_000) -> list[Row]:
    """The scoring flow is killed at each of its steps, and run again: the output is that of an undisturbed run."""
    project = toy.copy(toy.trained(), work / "project")
    toy.write_rows(project / "rows.parquet", rows)
    differing, kills = [], 0
    with toy.prefect_server(work) as prefect:
        api = f"{prefect.url}/api"

        def flow(target: str) -> Flow:
            return Flow(
                "scoring", {"use_case": TOY, "source": "rows.parquet", "target": target}, project, api, work / "run.log"
            )

        seconds = flow("whole.parquet").run()
        for step, moment in product(seconds, MOMENTS):
            target = f"{step}-{moment}.parquet"
            kills += flow(target).kill(moment, step, seconds[step])
            if not (project / target).exists():
                flow(target).run()
            if files.sha256(project / target) != files.sha256(project / "whole.parquet"):
                differing.append(target)
    return [
        Row("rows scored", rows, ""),
        Row("kills at the start, in the middle and at the end", kills, "", at_least=len(MOMENTS)),
        *aftermath(project, differing),
        Row("folders of parts that were left", len(list(project.glob("*.parts"))), "", at_most=0),
    ]


def aftermath(project: Path, differing: list[str]) -> list[Row]:
    """What a project is like after the last run. What is wrong is named on the terminal."""
    left = toy.left_files(project)
    for told in (*(f"{name} differs" for name in differing), *(f"{name} was left" for name in left)):
        console.print(f"[red]{told}[/]")
    return [
        Row("results that differ from those of an undisturbed run", len(differing), "", at_most=0),
        Row("files begun and left", len(left), "", at_most=0),
        Row("processes left", len(toy.left_processes(project)), "", at_most=0),
    ]
