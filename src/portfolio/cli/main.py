"""The command line, `portfolio`, put together from one module for each group of commands.

They import what a command needs when it runs, so that help comes at once.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys

import typer

from portfolio.cli import client, evidence, log, loop, server, state, steps, versions
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
# In the order in which one needs them, which is also that of the help.
for group in (loop, steps, server, log, client, evidence, versions, state):
    app.add_typer(group.app)


def main() -> None:
    """Run the command line; a user's mistake ends as one message and exit code 1."""
    # Python looks for cycles whenever there are 700 objects more, and imports make a million: a quarter of their time.
    gc.set_threshold(10_000)
    # At its end it would look through all of them again: half a second to a second for each stage.
    atexit.register(gc.freeze)
    try:
        app()
        return
    except PortfolioError as error:
        message = str(error)
    except BrokenPipeError:
        # Whoever read the output has had enough, as `head` does. Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        message = f"{error.filename or 'Writing'}: {error.strerror}. No half-written file was left; run the same again."
    from portfolio.core.terminal import failure

    failure(message)
    sys.exit(1)


if __name__ == "__main__":
    main()
