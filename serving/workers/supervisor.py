"""Forks the workers, restarts those that end, and ends with them."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

from serving.record.logs import line
from serving.settings import Settings
from serving.workers.board import Board
from serving.workers.siblings import Place

# Between two looks at whether all say something.
LOOK_SECONDS = 5.0
# No request holds a worker for so long: one that has said nothing since is stuck.
SILENT_SECONDS = 30.0
# Of one that ended within so many seconds, the next start waits a while, and longer each time.
LASTING_SECONDS = 10.0
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.1, 2.0
# After SIGTERM, in addition to the delay that is set. A worker that is not stuck has ended by then.
STOP_SECONDS = 10.0
# How long one that is killed takes to end.
KILL_SECONDS = 0.05


@dataclass
class Worker:
    """What is at one place: `pid` is None while nobody is."""

    pid: int | None = None
    started_at: float = 0.0
    due_at: float = 0.0
    pause_seconds: float = FIRST_PAUSE_SECONDS


class Supervisor:
    def __init__(self, settings: Settings, sockets: Sequence[socket.socket]) -> None:
        self._sockets = sockets
        self._stop_seconds = settings.shutdown_delay_seconds + STOP_SECONDS
        self._board = Board(settings.workers)
        self._ends = tuple(_pipe() for _ in range(settings.workers))
        self._life = _pipe()
        self._woken = _pipe()
        self._started_at_seconds = time.time()
        self._workers = [Worker() for _ in range(settings.workers)]
        self._stop_by: float | None = None
        self._code = 0

    def run(self) -> Place:
        """Start the workers and keep them. Returns in each of them; the supervisor itself ends with SystemExit."""
        signal.set_wakeup_fd(self._woken[1])
        for of_interest in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            # `nohup` has SIGHUP ignored.
            if of_interest != signal.SIGHUP or signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
                signal.signal(of_interest, _wake)
        while True:
            for number, worker in enumerate(self._workers):
                if worker.pid is None and self._stop_by is None and time.monotonic() >= worker.due_at:
                    pid = self._forked(worker)
                    if pid == 0:
                        return self._as_worker(number)
                    worker.pid = pid
            select.select([self._woken[0]], [], [], self._seconds_to_wait())
            received = _drained(self._woken[0])
            for asked in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                if asked in received:
                    self._stop(asked)
            self._reap()
            self._end_those_stuck()
            if self._stop_by is not None and not self._pids:
                sys.exit(self._code)

    @property
    def _pids(self) -> list[int]:
        return [worker.pid for worker in self._workers if worker.pid is not None]

    def _forked(self, worker: Worker) -> int | None:
        """The new process, 0 in it itself, or None if the machine lets none be made at the moment."""
        worker.started_at = time.monotonic()
        try:
            return os.fork()
        except OSError as error:
            worker.due_at = worker.started_at + LAST_PAUSE_SECONDS
            _log(f"no worker can be started ({error.strerror}); it is tried again")
            return None

    def _as_worker(self, number: int) -> Place:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for asked in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(asked) == _wake:
                signal.signal(asked, _end)
        for end in (*self._woken, self._life[1]):
            os.close(end)
        return Place(number, self._board, self._ends, self._life[0], self._started_at_seconds)

    def _seconds_to_wait(self) -> float:
        now = time.monotonic()
        if self._stop_by is not None:
            return min(LOOK_SECONDS, max(KILL_SECONDS, self._stop_by - now))
        due = [worker.due_at - now for worker in self._workers if worker.pid is None]
        return max(0.0, min([LOOK_SECONDS, *due]))

    def _stop(self, number: int) -> None:
        """Tell the workers to end. A second Ctrl-C is passed on: it ends the waiting for requests in progress."""
        if self._stop_by is None:
            self._stop_by = time.monotonic() + self._stop_seconds
            for listening in self._sockets:
                listening.close()
            # For one that was forked a moment ago, and would miss a signal.
            os.close(self._life[1])
            number = signal.SIGTERM
        for pid in self._pids:
            os.kill(pid, number)

    def _reap(self) -> None:
        for number, worker in enumerate(self._workers):
            if worker.pid is None:
                continue
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if pid == 0:
                continue
            has_listened = self._board.is_listening(number)
            self._board.set_state(number, connections=0, is_listening=False, seen_at=0.0)
            worker.pid = None
            code = os.waitstatus_to_exitcode(status)
            if self._stop_by is not None:
                self._code = self._code or abs(code)
                continue
            now = time.monotonic()
            if code > 0 and not has_listened and self._board.read(number) is None:
                # It could not start at all, and neither can the others.
                self._code = code
                self._stop(signal.SIGTERM)
                continue
            if now - worker.started_at > LASTING_SECONDS:
                worker.pause_seconds = 0.0
            worker.due_at = now + worker.pause_seconds
            worker.pause_seconds = min(LAST_PAUSE_SECONDS, max(FIRST_PAUSE_SECONDS, 2 * worker.pause_seconds))
            reason = f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
            _log(f"worker {number} (process {pid}) ended {reason}, and is started again")

    def _end_those_stuck(self) -> None:
        now = time.monotonic()
        for number, worker in enumerate(self._workers):
            if worker.pid is None:
                continue
            is_silent = self._board.is_listening(number) and now - self._board.seen_at(number) > SILENT_SECONDS
            if is_silent and self._stop_by is None:
                _log(f"worker {number} (process {worker.pid}) has said nothing for {SILENT_SECONDS:g} s, and is ended")
            if (is_silent and self._stop_by is None) or (self._stop_by is not None and now >= self._stop_by):
                os.kill(worker.pid, signal.SIGKILL)


def _pipe() -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        os.set_blocking(end, False)
    return ends


def _drained(end: int) -> bytes:
    try:
        return os.read(end, 4096)
    except BlockingIOError:
        return b""


def _wake(number: int, frame: FrameType | None) -> None:
    """The number of the signal is in the pipe already."""


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def _log(message: str) -> None:
    """Say it, unless nobody reads: the workers must not lose their supervisor for that."""
    text = line(at_seconds=time.time(), level="warning", logger="serving", message=message)
    with suppress(OSError):
        if select.select([], [sys.stderr], [], 0)[1]:
            os.write(sys.stderr.fileno(), text)
