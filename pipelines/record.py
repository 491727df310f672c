"""The record of what runs: another process shows by it what there is, or ends it after a crash."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipelines.processes import STOP_SECONDS, answers_at, created_at, end_group, runs
from portfolio.core.errors import DataError, PortfolioError

if TYPE_CHECKING:
    from filelock import FileLock

# By so much a process's time of creation may be off: it is told in whole seconds where the clock is concerned.
SAME_SECONDS = 2.0
# A supervisor looks at its record more often than this.
WRITTEN_AGAIN_SECONDS = 15.0


@dataclass
class Running:
    """A program's process as the file tells it. With its time of creation, a process id can't be another's."""

    name: str
    pid: int
    created_at_seconds: float
    """As `created_at` tells it."""
    shown: str
    ready: str
    log: str
    starts: int = 1

    def is_alive(self) -> bool:
        import psutil

        try:
            process = psutil.Process(self.pid)
            return abs(created_at(process) - self.created_at_seconds) <= SAME_SECONDS and runs(process)
        except psutil.NoSuchProcess:
            return False

    def answers(self) -> bool:
        return self.is_alive() and (not self.ready or answers_at(self.ready))

    def state(self) -> Literal["not running", "no answer", "answers", "running"]:
        """`running` is said of what has no address that could be asked."""
        if not self.is_alive():
            return "not running"
        if not self.ready:
            return "running"
        return "answers" if answers_at(self.ready) else "no answer"


def read_record(path: Path) -> list[Running]:
    """What the file says is running, the supervisor first; [] if there is none. Raises DataError if it is damaged."""
    try:
        return [Running(**one) for one in json.loads(path.read_text())]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{path} is damaged, so nobody knows what `portfolio live` had started. End what still runs by hand, and "
            f"delete the file: rm {path}"
        ) from error


def lock_of(record: Path) -> FileLock:
    """Held by the supervisor whose record it is, as long as that runs."""
    from filelock import FileLock

    # Where a file system has no flock, filelock's other kind of lock would outlive a killed process.
    return FileLock(record.with_suffix(".lock"), fallback_to_soft=False)


def what_runs(path: Path) -> list[Running]:
    """What the file says; if it is gone or damaged while a supervisor runs, what that writes there again.

    Raises PortfolioError if it does not, and DataError as `read_record` does.
    """
    deadline = time.monotonic() + WRITTEN_AGAIN_SECONDS
    while True:
        with suppress(DataError):
            if found := read_record(path):
                return found
        if not _is_supervised(path):
            return read_record(path)
        if time.monotonic() > deadline:
            raise PortfolioError(
                f"`portfolio live` runs, but {path} is gone, and it can't write that again: nobody else knows its "
                "processes. End it with Ctrl-C where it was started; or make room on the disk, and ask again."
            )
        time.sleep(0.1)


def _is_supervised(path: Path) -> bool:
    from filelock import Timeout

    lock = lock_of(path)
    if not Path(lock.lock_file).exists():
        return False
    try:
        with lock.acquire(blocking=False):
            return False
    except Timeout:
        return True


def end_all(found: Sequence[Running], path: Path) -> list[str]:
    """End what a file says is running, and delete it. Gives the names of those that ran."""
    ended = []
    supervisor = next((one for one in found if one.name == "supervisor"), None)
    if supervisor is not None and supervisor.is_alive():
        # It ends the others, in order.
        os.kill(supervisor.pid, signal.SIGTERM)
        ended = [one.name for one in found if one is not supervisor]
        deadline = time.monotonic() + STOP_SECONDS * len(found)
        while supervisor.is_alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        if supervisor.is_alive():
            os.kill(supervisor.pid, signal.SIGKILL)
    for one in reversed(found):
        if one is not supervisor and one.is_alive():
            end_group(one.pid)
            ended.append(one.name)
    path.unlink(missing_ok=True)
    return list(dict.fromkeys(ended))
