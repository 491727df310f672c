"""What is done with the prediction log."""

from __future__ import annotations

from typing import Annotated

import typer

from portfolio.cli.arguments import FIRST_USE_CASE, USE_CASE_HELP
from portfolio.core.counted import counted
from portfolio.core.environment import MAX_KEEP_DAYS

app = typer.Typer()
PANEL = "Serve"
log = typer.Typer(no_args_is_help=True, help="The prediction log of a server: delete old answers.")
app.add_typer(log, name="log", rich_help_panel=PANEL)


@log.callback()
def prediction_log() -> None:
    """The prediction log of a server: delete old answers."""


@log.command()
def prune(
    days: Annotated[float, typer.Option(help="Delete answers that are older.", min=0, max=MAX_KEEP_DAYS)],
    use_case: Annotated[str, typer.Argument(help=USE_CASE_HELP, metavar="USE_CASE", show_default=FIRST_USE_CASE)] = "",
    url: Annotated[
        str, typer.Option(help="SQLAlchemy URL of the log.", show_default="SERVING_LOG_URL, or SQLite in .state")
    ] = "",
    labelled: Annotated[bool, typer.Option("--labelled", help="Also delete answers that have a true label.")] = False,
) -> None:
    """Delete old answers from the prediction log, and free their space.

    Answers with a true label are kept, since they can't be made again; --labelled deletes them too. Looks of the
    monitor that are older go as well. Servers may go on writing meanwhile.
    """
    from portfolio.core.paths import default_use_case
    from portfolio.monitoring.prediction_log.address import existing_log
    from portfolio.monitoring.prediction_log.pruning import prune as prune_log

    deleted = prune_log(existing_log(use_case or default_use_case(), url), days, labelled=labelled)
    print(f"Deleted: {counted(deleted, 'answer')}.")
