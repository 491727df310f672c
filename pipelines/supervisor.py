"""Programs that run side by side: started in order, each once the one before is ready, and started again when they end.

What runs is written to a file, so that another process can show it, or end it after a crash of this one. A program and
all that it has started are one process group, and end together.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from select import select
from types import FrameType
from typing import TYPE_CHECKING, Self

from pipelines.processes import answers_at, created_at, end_group, listens
from pipelines.record import Running, lock_of, read_record
from portfolio.core import files
from portfolio.core.errors import PortfolioError

if TYPE_CHECKING:
    import psutil

LOOK_SECONDS = 5.0
# A program that ended within so many seconds of its start waits before the next one, and longer each time.
LASTING_SECONDS = 10.0
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.5, 5.0


@dataclass(frozen=True)
class Program:
    """A command that runs until it is stopped; `ready` is the address that answers once it does its work."""

    name: str
    command: Sequence[str]
    log: Path
    ready: str = ""
    shown: str = ""
    """The address for people."""
    said: str = ""
    """Of one without an address: what its log says once it does its work."""
    ready_seconds: float = 180.0


@dataclass
class Kept:
    """A program that is to run, and what is known of its process."""

    program: Program
    process: subprocess.Popen[bytes]
    started_at: float
    starts: int = 1
    pause_seconds: float = FIRST_PAUSE_SECONDS
    due_at: float | None = None
    """When it is to be started again, by time.monotonic(), while it does not run."""


class Supervisor:
    """Keeps programs running in a `with` block; SIGINT and SIGTERM ask it to stop, and its end stops them all."""

    def __init__(self, record: Path, tell: Callable[[str], None]) -> None:
        """`tell` is given a line for each program that ended and is started again."""
        self.stopping = False
        self._record = record
        self._tell_line = tell
        self._lock = lock_of(record)
        self._kept: list[Kept] = []
        self._written, self._is_recorded = "", True
        # Readable when a signal arrives or a child ends.
        self._woken, self._wake = os.pipe()

    def __enter__(self) -> Self:
        """Raises PortfolioError if another one has the same record, or has left something running."""
        self._take()
        for end in (self._woken, self._wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, self._noted)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # `nohup` ignores SIGHUP: what it starts is to outlive its terminal.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._asked_to_stop)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        signal.set_wakeup_fd(-1)
        for end in (self._woken, self._wake):
            os.close(end)
        self._lock.release()

    def _take(self) -> None:
        from filelock import Timeout

        self._record.parent.mkdir(parents=True, exist_ok=True)
        there = read_record(self._record)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            number = f", as process {there[0].pid}" if there else ""
            raise PortfolioError(
                f"It is running already{number}. See portfolio status, or end it: portfolio stop"
            ) from None
        if any(one.is_alive() for one in there):
            self._lock.release()
            raise PortfolioError("Some of it still runs after a crash. End it first: portfolio stop")

    def start(self, program: Program) -> None:
        """Start a program, and return when it is ready. Raises PortfolioError if it ends before, or takes too long."""
        kept = self._launch(program)
        while not self.stopping:
            if kept.process.poll() is not None:
                raise PortfolioError(
                    f"{program.name} ended with code {kept.process.returncode} while it was starting. Its output is in "
                    f"{program.log}{last_lines(program.log)}"
                )
            if _is_ready(kept):
                return
            self._see_to_record()
            if time.monotonic() - kept.started_at > program.ready_seconds:
                where = f" at {program.ready}" if program.ready else ""
                raise PortfolioError(
                    f"{program.name} did not answer{where} within {program.ready_seconds:g} s. Its output is in "
                    f"{program.log}{last_lines(program.log)}"
                )
            time.sleep(0.1)

    def run(self, program: Program) -> int:
        """Run a program to its end, or until a signal asks to stop, and give its exit code."""
        kept = self._launch(program)
        while kept.process.poll() is None and not self.stopping:
            self._see_to_record()
            time.sleep(0.1)
        end_group(kept.process.pid)
        self._kept.remove(kept)
        self._write()
        return kept.process.wait()

    def keep(self) -> None:
        """Start again what ends, until a signal asks to stop."""
        while not self.stopping:
            self._start_again()
            self._see_to_record()
            pauses = [kept.due_at - time.monotonic() for kept in self._kept if kept.due_at is not None]
            wait = max(0.0, min([LOOK_SECONDS, *pauses]))
            if select([self._woken], [], [], wait)[0]:
                os.read(self._woken, 4096)

    def _launch(self, program: Program) -> Kept:
        program.log.unlink(missing_ok=True)
        kept = Kept(program, _launched(program), time.monotonic())
        self._kept.append(kept)
        self._write()
        return kept

    def _stop(self) -> None:
        """End all programs, the last one first, with all that they have started."""
        for kept in reversed(self._kept):
            end_group(kept.process.pid)
            kept.process.wait()
        self._record.unlink(missing_ok=True)

    def _start_again(self) -> None:
        now = time.monotonic()
        for kept in self._kept:
            if kept.due_at is None and kept.process.poll() is not None:
                # What it had started goes with it.
                end_group(kept.process.pid)
                if now - kept.started_at > LASTING_SECONDS:
                    kept.pause_seconds = FIRST_PAUSE_SECONDS
                kept.due_at = now + kept.pause_seconds
                kept.pause_seconds = min(LAST_PAUSE_SECONDS, 2 * kept.pause_seconds)
                self._tell(f"{kept.program.name} ended ({_how(kept.process.returncode)}), and is started again")
            if kept.due_at is not None and now >= kept.due_at:
                self._relaunch(kept, now)

    def _relaunch(self, kept: Kept, now: float) -> None:
        """Start a program again; where the machine has no room for it now, a while later. The others go on."""
        try:
            kept.process = _launched(kept.program)
        except OSError as error:
            kept.due_at = now + LAST_PAUSE_SECONDS
            self._tell(f"{kept.program.name} can't be started ({error.strerror}), and is tried again")
            return
        kept.started_at, kept.due_at = now, None
        kept.starts += 1
        self._try_to_write()

    def _see_to_record(self) -> None:
        """Write the record again if somebody has deleted or damaged it, or if it could not be written."""
        try:
            is_there = self._record.read_text() == self._written
        except (OSError, UnicodeDecodeError):
            is_there = False
        if not (is_there and self._is_recorded):
            self._try_to_write()

    def _try_to_write(self) -> None:
        """Write the record; if the disk is full, the next time."""
        try:
            self._write()
        except OSError as error:
            if self._is_recorded:
                self._tell(f"{self._record} can't be written ({error.strerror}), and is tried again")
            self._is_recorded = False
        else:
            self._is_recorded = True

    def _tell(self, line: str) -> None:
        # The terminal may be gone, or the disk full on which its output is kept.
        with suppress(OSError):
            self._tell_line(line)

    def _asked_to_stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def _noted(self, number: int, frame: FrameType | None) -> None:
        """A child has ended: the pipe is readable already."""

    def _write(self) -> None:
        import psutil

        found = [_running(psutil.Process(), Program("supervisor", (), Path()), 1)]
        for kept in self._kept:
            with suppress(psutil.NoSuchProcess):
                found.append(_running(psutil.Process(kept.process.pid), kept.program, kept.starts))
        written = json.dumps([asdict(one) for one in found], indent=1) + "\n"
        files.write_text(self._record, written)
        self._written = written


def _launched(program: Program) -> subprocess.Popen[bytes]:
    program.log.parent.mkdir(parents=True, exist_ok=True)
    with program.log.open("ab") as log:
        # Ctrl-C is for the supervisor, which ends the others in order.
        return subprocess.Popen(
            list(program.command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def _running(process: psutil.Process, program: Program, starts: int) -> Running:
    log = str(program.log) if program.command else ""
    return Running(program.name, process.pid, created_at(process), program.shown, program.ready, log, starts)


def _is_ready(kept: Kept) -> bool:
    """Whether it does its work. What answers at its address may be another's: two may have found the port free."""
    program = kept.program
    if program.ready:
        return answers_at(program.ready) and listens(kept.process.pid, program.ready)
    return program.said in program.log.read_text(errors="replace")


def _how(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"


def last_lines(log: Path) -> str:
    """How a log ends, to be shown after its name."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()[-5:]
    except FileNotFoundError:
        return "."
    return ":\n" + "\n".join(lines) if lines else "."
