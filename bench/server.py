"""Servers as processes of their own: started, waited for, measured, and ended by their own ids."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import socket

from portfolio.core.paths import default_use_case

START_SECONDS = 120
STOP_SECONDS = 20
SETTLE_SECONDS = 10
MIB = 1024 * 1024


def free_port() -> int:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A server's process, with those that it starts itself; they make up a process group."""

    def __init__(
        self,
        command: list[str],
        port: int,
        log: Path,
        *,
        cpu: int | None = None,
        ready_path: str = "/readyz",
        cwd: Path | None = None,
        variables: dict[str, str] | None = None,
        start_seconds: float = START_SECONDS,
    ) -> None:
        """Start it and wait until it answers. Raises RuntimeError, with the end of its log, if it does not."""
        self.port, self.log, self._start_seconds = port, log, start_seconds
        pinned = ["taskset", "-c", str(cpu)] if cpu is not None else []
        started = time.perf_counter()
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                [*pinned, *command],
                cwd=cwd,
                env={**os.environ, **(variables or {})},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        try:
            self._wait(ready_path)
        except BaseException:
            self.stop()
            raise
        self.ready_seconds = time.perf_counter() - started

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _wait(self, path: str) -> None:
        deadline = time.monotonic() + self._start_seconds
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}{path}", timeout=5):
                    return
            except (OSError, urllib.error.HTTPError) as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    tail = self.log.read_text(errors="replace")[-1500:]
                    raise RuntimeError(f"{self.url}{path} did not answer ({error}). {tail}") from error
                time.sleep(0.01)

    def memory_mib(self) -> float:
        """Of all its processes. Pages that they share are divided among them, not counted for each."""
        total = 0
        for pid in self._tree(self.process.pid):
            try:
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            total += int(rollup.partition("\nPss:")[2].split()[0])
        return total / 1024

    def rss_mib(self) -> float:
        """Of all its processes, with what each shares with others."""
        pages = 0
        for pid in self._tree(self.process.pid):
            with suppress(OSError):
                pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / MIB

    def workers(self) -> list[int]:
        """The processes that it has started itself."""
        return list(self._tree(self.process.pid))[1:]

    def cpu_seconds(self) -> float:
        """What its processes have used of the processor since they started."""
        ticks = 0
        for pid in self._tree(self.process.pid):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def settle(self) -> None:
        """Return when it has nothing to do any more: what a load broke off with is still worked on for a while."""
        deadline = time.monotonic() + SETTLE_SECONDS
        used = -1.0
        while (now := self.cpu_seconds()) > used and time.monotonic() < deadline:
            used = now
            time.sleep(0.2)

    def _tree(self, pid: int) -> Iterator[int]:
        yield pid
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                children = path.read_text().split()
            except OSError:
                continue
            for child in children:
                yield from self._tree(int(child))

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it and what it started, all at once, as where a machine fails."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it and what it started."""
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        # Some leave workers behind.
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def portfolio_server(
    state: Path,
    *,
    use_case: str | None = None,
    before: Sequence[str] = (),
    cwd: Path | None = None,
    variables: dict[str, str] | None = None,
    **settings: str,
) -> Iterator[Server]:
    """Our own server, as `portfolio serve` starts it, with its state in `state` and SERVING_... `settings`.

    It serves the first use case of params.yaml unless another is named. `before` is a command that starts it in turn.
    """
    port = free_port()
    named = {f"SERVING_{name}".upper(): value for name, value in settings.items()}
    server = Server(
        [*before, sys.executable, "-m", "portfolio", "serve", use_case or default_use_case(), "--port", str(port)],
        port,
        state / "server.log",
        cwd=cwd,
        variables={"PORTFOLIO_STATE": str(state.absolute()), **named, **(variables or {})},
    )
    try:
        yield server
    finally:
        server.stop()
