"""The command line, `portfolio`, assembled from one module per group of commands.

They import what a command needs when it runs, so that help comes at once.
"""

from __future__ import annotations

import atexit
import gc
import inspect
import os
import sys

import typer

from portfolio.cli import (
    client,
    evidence,
    live,
    log,
    loop,
    monitor,
    own_data,
    scoring,
    server,
    simulate,
    state,
    steps,
    template,
    versions,
)
from portfolio.core.errors import PortfolioError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="""From data collection to a served model, one use case at a time.

    Start with [bold]demo[/], which runs the whole loop in a copy and stops.
    Then [bold]run[/] trains here, and [bold]serve[/] serves the result.""",
)
# In the order in which a user needs them; the help shows them in this order too.
GROUPS = (
    loop,
    template,
    own_data,
    steps,
    server,
    live,
    log,
    client,
    simulate,
    scoring,
    monitor,
    evidence,
    versions,
    state,
)


def _flow(group: typer.Typer) -> None:
    """Let the help of each command flow: its docstring's own line breaks would stand in the middle of sentences."""
    for command in group.registered_commands:
        paragraphs = (inspect.getdoc(command.callback) or "").split("\n\n")
        command.help = "\n\n".join(" ".join(paragraph.split("\n")) for paragraph in paragraphs)
    for inner in group.registered_groups:
        assert inner.typer_instance is not None, "a group of commands is added as one"
        _flow(inner.typer_instance)


for group in GROUPS:
    _flow(group.app)
    app.add_typer(group.app)


def _is_of_polars(error: Exception) -> bool:
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(error, polars.exceptions.PolarsError)


def _command() -> str:
    """What was typed; the password in a database's address is not shown."""
    from portfolio.core.passwords import with_variable

    return " ".join(["portfolio", *(with_variable(argument, "PASSWORD") for argument in sys.argv[1:])])


def main() -> None:
    """Run the command line; a user's mistake ends as one message and exit code 1."""
    # Python looks for cycles after every 700 new objects. Imports create a million: a quarter of their time goes there.
    gc.set_threshold(10_000)
    # At exit it would look through all of them again, which takes each stage half a second to a second.
    atexit.register(gc.freeze)
    try:
        app()
        return
    except PortfolioError as error:
        message = str(error)
    except BrokenPipeError:
        # The reader of the output has closed it, as `head` does. Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        message = (
            f"{error.filename or 'Writing'}: {error.strerror}. No half-written file was left; run the command again."
        )
    except Exception as error:
        if not _is_of_polars(error):
            raise
        reason = (str(error) or type(error).__name__).splitlines()[0]
        message = (
            f"{_command()}: its rows can't be worked with ({reason}). A file of them is damaged, "
            "or its columns are of kinds that do not go together: fetch or collect it again, or save it as CSV."
        )
    from portfolio.core.terminal import failure

    failure(message)
    sys.exit(1)


if __name__ == "__main__":
    main()
