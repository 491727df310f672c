"""Everything at once on this machine, without Docker: Prefect, MLflow, the API and the deployments."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from portfolio.cli.arguments import UseCaseName

if TYPE_CHECKING:
    from pipelines.supervisor import Program, Supervisor
    from portfolio.core.terminal import Steps

app = typer.Typer()
PANEL = "Run everything"
# A scheduled run that has waited longer than this for a free process is shown as late.
LATE = timedelta(minutes=1)


@app.command(rich_help_panel=PANEL)
def live(
    use_case: UseCaseName,
    port: Annotated[int, typer.Option(help="Port of the API and its pages.", min=1, max=65535)] = 8000,
    mlflow_port: Annotated[int, typer.Option(help="Port of MLflow's pages.", min=1, max=65535)] = 5000,
    prefect_port: Annotated[int, typer.Option(help="Port of Prefect's pages.", min=1, max=65535)] = 4200,
) -> None:
    """Start everything: Prefect, MLflow, the API, and the flows that watch and renew the model. Stop with Ctrl-C.

    If there is no champion, one is trained first. Processes that end are restarted.
    """
    import os

    from pipelines.supervisor import Supervisor
    from portfolio.cli.server import listening
    from portfolio.contract.loading import load_use_case
    from portfolio.core.environment import check_proxies, local_environment
    from portfolio.core.paths import live_record
    from portfolio.core.terminal import Steps, console
    from portfolio.registry.tracking import check_database

    load_use_case(use_case)
    local_environment()
    check_proxies()
    check_database()
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{prefect_port}/api"
    os.environ["PORTFOLIO_USE_CASE"] = use_case
    steps = Steps()
    ports = ((port, "--port"), (mlflow_port, "--mlflow-port"), (prefect_port, "--prefect-port"))
    with Supervisor(live_record(), lambda line: console.print(f"[yellow]{line}[/]")) as supervisor:
        for number, option in ports:
            for probe in listening("127.0.0.1", number, f"portfolio live {option} {{port}}"):
                probe.close()
        for program in programs(use_case, port, mlflow_port, prefect_port):
            if supervisor.stopping:
                break
            if program.name == "mlflow":
                _make_records(use_case, steps, supervisor)
            with steps.step(program.name) as step:
                supervisor.start(program)
                step.result = program.shown or f"its log: {program.log}"
        if not supervisor.stopping:
            console.print("[green]Ready.[/] Stop with Ctrl-C, or from elsewhere: portfolio stop")
            supervisor.keep()
        console.print("Stopping ...")
    console.print("Stopped.")


@app.command(rich_help_panel=PANEL)
def stop() -> None:
    """End what `portfolio live` has started, even after a crash."""
    from pipelines.record import end_all, what_runs
    from portfolio.core.paths import live_record

    ended = end_all(what_runs(live_record()), live_record())
    print(f"Ended: {', '.join(ended)}." if ended else "Nothing is running.")


@app.command(rich_help_panel=PANEL)
def status() -> None:
    """Show what `portfolio live` has started, whether it answers, and when it looks and trains next.

    Exit code 1 if something does not answer.
    """
    from rich.table import Table

    from pipelines.record import what_runs
    from portfolio.core.paths import live_record
    from portfolio.core.terminal import console

    found = what_runs(live_record())
    if not found:
        print("Nothing is running. Start it: portfolio live (make live)")
        raise typer.Exit(1)
    table = Table("what", "state", "process", "starts", "address", title_justify="left")
    states = [one.state() for one in found]
    for one, state in zip(found, states, strict=True):
        colour = {"not running": "red", "no answer": "yellow"}.get(state, "green")
        table.add_row(one.name, f"[{colour}]{state}[/]", str(one.pid), str(one.starts), one.shown or one.log)
    console.print(table)
    prefect = next((one for one, state in zip(found, states, strict=True) if one.name == "prefect"), None)
    if prefect is not None and prefect.answers():
        _show_next_runs(prefect.shown)
    _show_last_looks()
    if states[0] == "not running":
        console.print("Nothing starts again what ends: portfolio stop, then portfolio live")
    if not set(states) <= {"answers", "running"}:
        raise typer.Exit(1)


def _show_next_runs(prefect: str) -> None:
    import os
    from datetime import UTC, datetime

    import httpx
    from rich.table import Table

    from pipelines.upcoming import next_runs
    from portfolio.core.environment import check_proxies, local_environment
    from portfolio.core.errors import ConfigError
    from portfolio.core.terminal import console

    local_environment()
    os.environ["PREFECT_API_URL"] = f"{prefect}/api"
    try:
        check_proxies()
        found = next_runs()
    except (httpx.HTTPError, ConfigError) as error:
        console.print(f"[red]Prefect's server can't be asked what runs next:[/] {error}")
        return
    table = Table("flow", "next run", title_justify="left")
    now = datetime.now(UTC)
    for flow, moment in found.items():
        late = now - moment > LATE
        table.add_row(flow, f"{moment:%Y-%m-%d %H:%M} UTC{', late' * late}", style="red" if late else "")
    console.print(table if table.rows else "[yellow]No run is scheduled yet.[/]")


def _show_last_looks() -> None:
    from rich.table import Table
    from sqlalchemy.exc import DBAPIError

    from portfolio.bundle.store import Store
    from portfolio.cli.monitor import STYLES
    from portfolio.core.terminal import console
    from portfolio.monitoring.events import looks_of
    from portfolio.monitoring.prediction_log.address import logged_use_cases

    table = Table("use case", "version", "last look", "verdict", title_justify="left")
    for name in logged_use_cases():
        try:
            with looks_of(name) as looks:
                last = None if looks is None else looks.current(Store.of(name).served())
        except DBAPIError:
            table.add_row(name, "", "", "[red]its prediction log can't be read[/]")
            continue
        if last is not None:
            verdict = f"[{STYLES[last.verdict]}]{last.verdict.replace('_', ' ')}[/]"
            table.add_row(name, str(last.model_version), f"{last.looked_at:%Y-%m-%d %H:%M} UTC", verdict)
    if table.rows:
        console.print(table)


def _make_records(use_case: str, steps: Steps, supervisor: Supervisor) -> None:
    """See to it that there is something to serve, and a database for MLflow to show."""
    from portfolio.bundle.store import Store
    from portfolio.registry.tracking import client, database

    if not Store.of(use_case).champion_path.exists():
        _train(use_case, steps, supervisor)
    elif not database().exists():
        # The champion came from elsewhere.
        client().search_experiments()


def _train(use_case: str, steps: Steps, supervisor: Supervisor) -> None:
    """Train the first champion. Raises PortfolioError if that fails."""
    from pipelines.supervisor import Program, last_lines
    from portfolio.core.environment import state_folder
    from portfolio.core.errors import PortfolioError

    log = state_folder() / "logs" / "live" / "training.log"
    with steps.step("training", log) as step:
        code = supervisor.run(Program("training", [sys.executable, "-m", "portfolio", "run", use_case], log))
        if code and not supervisor.stopping:
            raise PortfolioError(f"The first training failed. Its output is in {log}{last_lines(log)}")
        step.result = "the first champion is published"


def programs(use_case: str, port: int, mlflow_port: int, prefect_port: int) -> list[Program]:
    """In the order in which they are started."""
    from pipelines.deployments import SERVED
    from pipelines.supervisor import Program
    from portfolio.core.environment import state_folder

    logs = state_folder() / "logs" / "live"
    prefect, mlflow, api = (f"http://127.0.0.1:{number}" for number in (prefect_port, mlflow_port, port))
    python = [sys.executable, "-m"]
    of_prefect = [*python, "pipelines.server", str(prefect_port), "--pages"]
    of_mlflow = [*python, "portfolio", "mlflow", "--port", str(mlflow_port)]
    of_api = [*python, "portfolio", "serve", use_case, "--port", str(port)]
    return [
        Program("prefect", of_prefect, logs / "prefect.log", f"{prefect}/api/health", prefect),
        Program("mlflow", of_mlflow, logs / "mlflow.log", f"{mlflow}/health", mlflow),
        Program("api", of_api, logs / "api.log", f"{api}/readyz", api),
        Program("deployments", [*python, "pipelines.deployments"], logs / "deployments.log", said=SERVED),
    ]
