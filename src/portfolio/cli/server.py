"""Servers on this machine: the model's, and MLflow's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from portfolio.cli.arguments import FIRST_USE_CASE, USE_CASE_HELP

if TYPE_CHECKING:
    from socket import socket

app = typer.Typer()
# Connections that may wait to be taken.
BACKLOG = 2048
PANEL = "Serve"
PortNumber = Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)]


@app.command(rich_help_panel=PANEL)
def serve(
    use_case: Annotated[
        str,
        typer.Argument(
            help=USE_CASE_HELP,
            metavar="USE_CASE",
            envvar="PORTFOLIO_USE_CASE",
            show_default=FIRST_USE_CASE,
        ),
    ] = "",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535, envvar="PORT")] = 8000,
    workers: Annotated[
        int | None,
        typer.Option(help="Worker processes, one per core to use.", min=1, max=64, show_default="1"),
    ] = None,
) -> None:
    """Serve the champion, and switch to a new one as soon as it is published. Stop with Ctrl-C."""
    _open_standard_streams()
    import gc

    from portfolio.core.environment import state_folder
    from portfolio.core.errors import ConfigError
    from portfolio.core.paths import PARAMS, default_use_case

    if not use_case and PARAMS.exists():
        use_case = default_use_case()
    # Serving knows only bundles: an image contains no use cases, and whatever is in the store can be served.
    if use_case and not (state_folder() / "store" / use_case).exists():
        from portfolio.contract.loading import no_use_case, use_case_names

        known = use_case_names()
        if known and use_case not in known:
            raise no_use_case(use_case, known)
    # An image has a store, and no project.
    if not PARAMS.exists() and not os.environ.get("PORTFOLIO_STATE"):
        raise ConfigError(f"There is no project in {Path.cwd()}. Run this in the folder that has {PARAMS}.")
    if use_case:
        os.environ["PORTFOLIO_USE_CASE"] = use_case
    if workers is not None:
        os.environ["SERVING_WORKERS"] = str(workers)
    again = f"portfolio serve {use_case} --port {{port}} (make serve USE_CASE={use_case} PORT={{port}})"
    sockets = listening(host, port, again)
    if sys.stderr.isatty():
        # Whoever started it by hand sees more than lines of JSON.
        shown = f"[{host}]" if ":" in host else host
        print(f"{use_case}: http://{shown}:{port} and its API at /docs. Stop with Ctrl-C.", file=sys.stderr)
    # What is imported stays: looking through it for reference cycles would take a tenth of the start. `run` enables it
    # again.
    gc.disable()
    from serving.server import run

    try:
        run(sockets)
    finally:
        for listener in sockets:
            listener.close()


@app.command("mlflow", rich_help_panel=PANEL)
def mlflow_pages(port: PortNumber = 5000) -> None:
    """Open MLflow's web pages, with the runs and versions of this folder. Stop with Ctrl-C."""
    from portfolio.core.environment import local_environment, sqlite_address
    from portfolio.core.errors import DataError, PortfolioError
    from portfolio.registry.moved import move_records
    from portfolio.registry.tracking import check_database, database

    records = database()
    if not records.exists():
        raise DataError(f"{records} is missing: nothing has been trained here yet. Train a model: portfolio run")
    check_database()
    for probe in listening("127.0.0.1", port, "portfolio mlflow --port {port} (make mlflow MLFLOW_PORT={port})"):
        probe.close()
    local_environment()
    move_records(records)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", sqlite_address(records)]
    command += ["--artifacts-destination", str(records.with_name("artifacts"))]
    asked_to_stop = False
    # Nothing here uses MLflow's jobs, which would take longer to start and stop than the server itself.
    process = subprocess.Popen(command, env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal asked_to_stop
        asked_to_stop = True
        process.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    process.wait()
    # MLflow exits with 0 whatever happened to the server that it started.
    if not asked_to_stop:
        raise PortfolioError("MLflow's server ended unexpectedly. The reason is in its output above.")


@app.command(rich_help_panel=PANEL)
def api_key() -> None:
    """Create an API key and its hash for the server's settings. Nothing is stored."""
    import secrets

    from serving.front.security import hashed

    key = secrets.token_urlsafe(32)
    print(f"key      {key}")
    print(f"SHA-256  {hashed(key)}")
    print(
        "Clients send the key (PORTFOLIO_API_KEY, or the header Authorization: Bearer KEY); the server is given the\n"
        "SHA-256: SERVING_API_KEYS for predictions, SERVING_ADMIN_KEYS for /metrics and /admin, separated by commas."
    )


def _open_standard_streams() -> None:
    """Have those that were closed lead nowhere: what a library writes to them must not come to a client or a file."""
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(opened, True)
    os.close(opened)
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115  # it stays open


def listening(host: str, port: int, with_port: str) -> list[socket]:
    """Sockets that listen there; clients wait until somebody takes their connections.

    `with_port`: the command that chooses another {port}. Raises ConfigError, with the reason and the remedy, if it
    can't be listened on.
    """
    import errno
    import socket

    from portfolio.core.errors import ConfigError

    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise ConfigError(
            f"--host {host} is not a known host ({error}). Give an address of this machine, such as 127.0.0.1"
        ) from error
    another = port + 1 if port < 65535 else port - 1
    remedies = {
        errno.EADDRINUSE: "Stop what uses it, or choose another port: " + with_port.format(port=another),
        errno.EADDRNOTAVAIL: "That is not an address of this machine: choose another --host, such as 127.0.0.1",
        errno.EAFNOSUPPORT: "This machine has no addresses of that kind: choose another --host, such as 127.0.0.1",
        errno.EACCES: "Only the administrator may use such low ports: choose a --port from 1024",
    }
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    sockets = []
    for family, kind, protocol, _, address in dict.fromkeys(found):
        try:
            opened = socket.socket(family, kind, protocol)
            sockets.append(opened)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            opened.bind(address)
            opened.listen(BACKLOG)
        except OSError as error:
            for opened in sockets:
                opened.close()
            remedy = remedies.get(error.errno or 0, "Choose another --host or --port")
            raise ConfigError(f"Can't listen on {place} ({error.strerror}). {remedy}") from error
    return sockets
