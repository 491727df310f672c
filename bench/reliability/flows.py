"""Flows as processes in a project, which tell of their steps and can be killed at one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from bench.reliability import toy
from tests.workspace import TOY


@dataclass(frozen=True)
class Flow:
    """A flow in a project, on a server of Prefect."""

    name: str
    parameters: dict[str, Any]
    project: Path
    log: Path
    """What its last run said."""
    api: str = ""
    """Of a server of Prefect; without one, a training starts its own."""
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
                env=toy.environment(self.project, **({"PREFECT_API_URL": self.api} if self.api else {}), **self.more),
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


class Undisturbed(NamedTuple):
    """A project after a training that nothing has disturbed, and the seconds of its steps. Not to be changed."""

    project: Path
    seconds: dict[str, float]


@cache
def undisturbed() -> Undisturbed:
    """Trained once for all items."""
    project = toy.copy(toy.untrained(), toy.temporary() / "trained")
    return Undisturbed(project, Flow("training", {"use_case": TOY}, project, toy.temporary() / "run.log").run())


def trained() -> Path:
    return undisturbed().project
