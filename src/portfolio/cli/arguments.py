"""Arguments that several groups of commands share."""

from __future__ import annotations

from typing import Annotated

import typer


def default_use_case() -> str:
    """The first in params.yaml. Its module is imported here, so that help comes at once."""
    from portfolio.core import paths

    return paths.default_use_case()


USE_CASE_HELP = "Name of a use case in params.yaml."
FIRST_USE_CASE = "the first in params.yaml"
UseCaseName = Annotated[
    str,
    typer.Argument(
        help=USE_CASE_HELP, metavar="USE_CASE", default_factory=default_use_case, show_default=FIRST_USE_CASE
    ),
]
"""May be left out."""
NamedUseCase = Annotated[str, typer.Argument(help=USE_CASE_HELP, metavar="USE_CASE")]
"""For commands that change what is served: these must name the use case."""
