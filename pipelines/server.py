"""Prefect's server for the time of one run. It starts in a process of its own, beside other work.

Run as a module, this is that process: `python -m pipelines.server PORT`. It ends when its standard input does, so it
never outlives the run that started it, however that run ends.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from socket import socket

from portfolio.errors import PortfolioError

START_TIMEOUT_SECONDS = 180
JSON = {"Content-Type": "application/json"}


class PrefectServer:
    """Prefect's API: the one that PREFECT_API_URL names, or else a server of our own on a free loopback port.

    Start it before Prefect is imported: it is stopped when Python ends, after Prefect has sent its last logs there.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._started = time.monotonic()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if "PREFECT_API_URL" in os.environ:
            _check_answer(os.environ["PREFECT_API_URL"])
            return
        with socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipelines.server", str(port)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # Ctrl-C is for the run.
                start_new_session=True,
            )
        os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
        # It is of this installation: to compare versions would cost a request before each flow.
        os.environ.setdefault("PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED", "false")
        atexit.register(self._stop)

    def wait(self) -> None:
        """Return when it answers. Raises PortfolioError if it does not in time."""
        if self._process is None:
            return
        while True:
            try:
                # A question for its database: after that one it answers the next at once.
                count = urllib.request.Request(f"{os.environ['PREFECT_API_URL']}/flow_runs/count", b"{}", JSON)
                with urllib.request.urlopen(count, timeout=30):
                    return
            except OSError as error:
                ended = self._process.poll() is not None
                if ended or time.monotonic() - self._started > START_TIMEOUT_SECONDS:
                    raise PortfolioError(
                        f"Prefect's server {'ended' if ended else 'did not answer'} while starting; {self._log} says "
                        "why. Run again, or name a running server: export PREFECT_API_URL=http://HOST:4200/api"
                    ) from error
                time.sleep(0.1)

    def _stop(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _check_answer(address: str) -> None:
    """Raise PortfolioError if nothing answers there. What answers with an error is Prefect's to tell."""
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=30):
            pass
    except urllib.error.HTTPError:
        pass
    except (OSError, ValueError) as error:
        raise PortfolioError(
            f"No Prefect server answers at PREFECT_API_URL, {address} ({error}). Start it, or unset that variable, and "
            "the run starts one of its own."
        ) from error


def _serve(port: str) -> None:
    sys.argv = ["prefect", "server", "start", "--no-ui", "--host", "127.0.0.1", "--port", port]
    os.environ.pop("PREFECT_API_URL", None)
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    from prefect.cli import app

    app()


def _end_with_stdin() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    _serve(sys.argv[1])
