"""Processes: when one was created, whether it runs, what it has started, and the end of all of that."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import psutil

STOP_SECONDS = 10.0


def end_group(pid: int) -> None:
    """Ask a process and all that it started to end, and kill what has not ended in time."""
    import psutil

    members = members_of(pid)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while any(map(runs, members)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for process in filter(runs, {*members, *members_of(pid)}):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def runs(process: psutil.Process) -> bool:
    """Whether it still does anything: one that has ended may wait for its parent to take note."""
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def members_of(pid: int) -> list[psutil.Process]:
    """The processes of a group, and what they have started in groups of their own."""
    import psutil

    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError, psutil.AccessDenied):
            if os.getpgid(process.pid) == pid:
                found |= {process, *process.children(recursive=True)}
    return list(found)


def created_at(process: psutil.Process) -> float:
    """When a process was created, in seconds of a clock that nobody sets: on Linux since the machine's start.

    There, psutil adds that to the start's time of day, which moves whenever the clock is set.
    """
    import psutil

    return process.create_time() - (psutil.boot_time() if psutil.LINUX else 0.0)


def listens(pid: int, address: str) -> bool:
    """Whether a program, or what it has started, listens on the address's port."""
    import psutil

    port = urlsplit(address).port
    for process in members_of(pid):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            for found in process.net_connections("tcp"):
                if found.status == psutil.CONN_LISTEN and found.laddr.port == port:
                    return True
    return False


def answers_at(address: str) -> bool:
    import httpx

    try:
        # It is on this machine: a proxy would look for it on its own.
        return httpx.get(address, timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False
