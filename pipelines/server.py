"""Prefect's server for the time of one run. It starts in a process of its own, beside other work.

Run as a module, this is that process: `python -m pipelines.server PORT`. It ends when its standard input does, so it
never outlives the run that started it, however that run ends. With `--pages` it has Prefect's pages, and runs until it
is stopped: so `portfolio live` and Docker Compose start it.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from socket import socket

from pipelines.record import what_runs
from portfolio.core import files
from portfolio.core.environment import check_proxies, local_environment, sqlite_address, state_folder
from portfolio.core.errors import PortfolioError
from portfolio.core.paths import live_record
from portfolio.core.sqlite import LOCKED, is_locked

START_TIMEOUT_SECONDS = 180
OF_ANOTHER_SERVER = ("PREFECT_SERVER_API_", "PREFECT_SERVER_CSRF_", "PREFECT_API_", "PREFECT_PROFILE")

# Which run has its deployment's only place. In memory, where Prefect keeps it by default, it is forgotten when the
# server is killed: a place that was taken then would stay so for ever, and no later run would begin.
LEASES = {"PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem"}


class PrefectServer:
    """Prefect's API: the one that PREFECT_API_URL names, or else a server of our own on a free loopback port.

    Start it before Prefect is imported: it is stopped when Python ends, after Prefect has sent its last logs there.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._started = time.monotonic()
        self._address = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._beginning: threading.Thread | None = None
        self._failure: Exception | None = None

    def start(self) -> None:
        check_proxies()
        # If the server is killed, its client would write a page for each event that it can't send.
        os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "CRITICAL")
        lasting = lasting_address()
        if lasting and not os.environ.get("PREFECT_API_URL"):
            os.environ["PREFECT_API_URL"] = lasting
        if os.environ.get("PREFECT_API_URL"):
            _check_answer(os.environ["PREFECT_API_URL"])
            return
        with socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command, environment = [sys.executable, "-m", "pipelines.server", str(port)], own_environment(os.environ)
        os.environ["PREFECT_API_URL"] = self._address = f"http://127.0.0.1:{port}/api"
        # It is of this installation, and asks for no token: to find out would cost requests before each flow.
        os.environ.setdefault("PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED", "false")
        os.environ.setdefault("PREFECT_CLIENT_CSRF_SUPPORT_ENABLED", "false")
        atexit.register(self._stop)
        self._beginning = threading.Thread(target=self._begin, args=(command, environment, state_folder()), daemon=True)
        self._beginning.start()

    def _begin(self, command: list[str], environment: dict[str, str], state: Path) -> None:
        """Launch it, and return once it has answered, or can't."""
        ready = state / "prefect" / "ready"
        # Two first starts at once would both make the database's tables, and one would fail.
        alone = files.alone(state / "locks" / "prefect.lock", "a first start of Prefect's server")
        try:
            with nullcontext() if ready.exists() else alone:
                self._launch(command, environment)
                self._ask()
                if self._failure is None and not ready.exists():
                    files.write_text(ready, "")
        except Exception as error:  # whatever it is, whoever waits must hear of it
            self._failure = error

    def _launch(self, command: list[str], environment: dict[str, str]) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment,
                # Ctrl-C is for the run.
                start_new_session=True,
            )

    def wait(self) -> None:
        """Return when it answers. Raises PortfolioError if it does not in time."""
        if self._beginning is None:
            return
        self._beginning.join()
        if self._failure is not None:
            raise self._failure

    @property
    def is_own(self) -> bool:
        """Whether it is there for this run alone, without pages."""
        return self._beginning is not None

    def flow_settings(self) -> AbstractContextManager[object]:
        """Settings for flows that run on it.

        On a server of our own they send no heartbeats: it ends with the run, so that nothing listens for them, and the
        thread that sends them keeps a flow from ending for up to a second.
        """
        if not self.is_own:
            return nullcontext()
        from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

        return temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})

    @contextmanager
    def expected(self) -> Iterator[None]:
        """Raise PortfolioError, with the remedy, if it ends while a flow runs on it."""
        import httpx

        try:
            yield
        except httpx.TransportError as error:
            remedy = f"{self._log} may say why" if self.is_own else "start it again"
            raise PortfolioError(
                f"Prefect's server at {os.environ['PREFECT_API_URL']} does not answer any more ({error}): {remedy}. "
                "What was done is kept; run the same again."
            ) from error

    def _ask(self) -> None:
        """Ask until it answers. It prepares its routes when first asked, so it is asked what a flow will ask."""
        import httpx

        assert self._process is not None
        # It is on this machine: a proxy would look for it on its own.
        with httpx.Client(trust_env=False, timeout=30) as client:
            while True:
                try:
                    client.get(f"{self._address}/admin/storage").raise_for_status()
                    return
                except httpx.HTTPStatusError as error:
                    # It is up, and will not think better of it.
                    self._failure = PortfolioError(
                        f"Prefect's server answered {error.response.status_code} when it was asked first; {self._log} "
                        "may say why. A setting of Prefect on this machine (PREFECT_... in the environment, a "
                        "prefect.toml) may be meant for another server: unset it, or name that server: "
                        "export PREFECT_API_URL=http://HOST:4200/api"
                    )
                    return
                except httpx.HTTPError:
                    ended = self._process.poll() is not None
                    if ended or time.monotonic() - self._started > START_TIMEOUT_SECONDS:
                        self._failure = PortfolioError(
                            f"Prefect's server {'ended' if ended else 'did not answer'} while starting; {self._why()} "
                            "or name a running server: export PREFECT_API_URL=http://HOST:4200/api"
                        )
                        return
                    time.sleep(0.1)

    def _why(self) -> str:
        if is_locked(self._log.read_text(encoding="utf-8", errors="replace")):
            return f"its database is locked (see {self._log}). {LOCKED}. Then run again,"
        return f"{self._log} says why. Run again,"

    def _stop(self) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def own_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what says how another server of Prefect is reached: ours has an address of its own."""
    kept = {name: value for name, value in environment.items() if not name.upper().startswith(OF_ANOTHER_SERVER)}
    # A profile may say the same; there is none in a file that is not there.
    home = Path(kept.get("PREFECT_HOME") or state_folder() / "prefect")
    stated = {"PREFECT_PROFILES_PATH": str(home / "no-profiles.toml")}
    if not any(name.endswith("_DATABASE_CONNECTION_URL") for name in kept):
        address = sqlite_address(home / "prefect.db", "sqlite+aiosqlite")
        stated["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = address
    return LEASES | kept | stated


def lasting_address() -> str | None:
    """The API of the server that `portfolio live` keeps running here, if it does: flows are then seen in its pages."""
    running = (one for one in what_runs(live_record()) if one.name == "prefect" and one.answers())
    return next((f"{one.shown}/api" for one in running), None)


def _check_answer(address: str) -> None:
    """Raise PortfolioError if nothing answers there. What answers with an error is Prefect's to tell."""
    import httpx

    try:
        # Through a proxy if the environment names one, as Prefect itself will ask it.
        httpx.get(f"{address}/health", timeout=30)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, ImportError) as error:
        raise PortfolioError(
            f"No Prefect server answers at PREFECT_API_URL, {address} ({error}). Start it, or unset that variable, and "
            "the run starts one of its own."
        ) from error


def _serve(port: int, host: str, names: list[str], pages: bool) -> None:
    # For the sake of its imports, as in portfolio.cli.
    gc.set_threshold(10_000)
    os.environ.pop("PREFECT_API_URL", None)
    if pages:
        local_environment()
        os.environ.update(own_environment(os.environ))
        # It writes the browser's settings into a copy of its pages.
        os.environ.setdefault("PREFECT_UI_STATIC_DIRECTORY", str(state_folder() / "prefect" / "pages"))
        os.environ.setdefault("PREFECT_SERVER_UI_API_URL", f"http://127.0.0.1:{port}/api")
    else:
        os.environ["PREFECT_SERVER_UI_ENABLED"] = "false"
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    import uvicorn
    from prefect.server.api.server import create_app

    from pipelines.own_site import OwnSite

    # As `prefect server start` does, which has no such check.
    uvicorn.run(OwnSite(create_app(final=True), names), host=host, port=port, log_level="warning")


def _end_with_stdin() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--pages", action="store_true", help="with Prefect's pages, until it is stopped")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--name", action="append", default=[], help="another name under which it may be asked")
    given = parser.parse_args()
    _serve(given.port, given.host, given.name, given.pages)
