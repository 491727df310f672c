"""Traffic for a running server, as production may send it."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from portfolio.cli.arguments import UseCaseName

if TYPE_CHECKING:
    import polars as pl

    from portfolio.client.simulate import Traffic

app = typer.Typer()
PANEL = "Ask a server"


class Share(StrEnum):
    test = "test"
    clean = "clean"


@app.command(rich_help_panel=PANEL)
def simulate(
    use_case: UseCaseName,
    drift: Annotated[str, typer.Option(help="How the rows drift, such as blur or shift; none unless given.")] = "",
    url: Annotated[str, typer.Option(help="Address of the server.")] = "http://127.0.0.1:8000",
    count: Annotated[int, typer.Option("--rows", help="Number of rows, one per request.", min=1, max=1_000_000)] = 500,
    rate: Annotated[float, typer.Option(help="Requests per second; 0: as fast as they are answered.", min=0)] = 50,
    labels: Annotated[bool, typer.Option(help="Send the true labels that the server asks for.")] = True,
    of: Annotated[Share, typer.Option(help="Which rows: of the test split, or all clean ones.")] = Share.test,
    seed: Annotated[int, typer.Option(help="Seed for the order of the rows.", min=0)] = 0,
) -> None:
    """Send real rows to a running server, drifted if asked, and the true labels that it asks for.

    It asks for those of the rows that a person decides, and of a random share of the others. All are in its prediction
    log then, as if they had come from users, and the next training learns from the labels. If the server requires an
    API key, set PORTFOLIO_API_KEY.
    """
    from portfolio.cli.client import API_KEY_VARIABLE
    from portfolio.client.simulate import Simulator
    from portfolio.contract.loading import load_use_case
    from portfolio.core.errors import ConfigError
    from portfolio.core.terminal import console, counted_progress

    case = load_use_case(use_case)
    drifts = case.drifts()
    if drift and drift not in drifts:
        raise ConfigError(f"'{use_case}' has no drift '{drift}'. It has: {', '.join(drifts) or 'none'}.")
    rows = _rows(use_case, of)
    key = os.environ.get(API_KEY_VARIABLE, "")
    simulator = Simulator(case, url, drifts[drift](rows) if drift else rows, seed=seed, key=key)
    with counted_progress() as bar:
        task = bar.add_task(f"requests of {use_case}{f', {drift}' if drift else ''}", total=count)
        found = simulator.send(count, rate=rate, labels=labels, progress=lambda sent: bar.update(task, completed=sent))
    _show(found)
    if drift and found.labels and of is Share.test:
        console.print(
            "The next training learns from these labels, and is then judged by test rows of which it has seen a "
            "drifted copy. Do that in a clone: git clone . ../trial"
        )
    if found.failed:
        console.print(f"[red]{found.failed:,} requests were not answered[/]: {dict(found.statuses)}")
        sys.exit(1)


def _rows(use_case: str, of: Share) -> pl.DataFrame:
    """Raises DataError if there are none yet."""
    import polars as pl

    from portfolio.core.errors import DataError
    from portfolio.core.paths import Paths

    paths = Paths(use_case)
    files = [paths.splits / "test.parquet"] if of is Share.test else sorted(paths.clean.glob("*.parquet"))
    if not files or not files[0].exists():
        raise DataError(f"There are no {of} rows of '{use_case}' here. Make them: portfolio run {use_case}")
    # Labels that came back have a column more.
    return pl.concat([pl.read_parquet(file) for file in files], how="diagonal")


def _show(found: Traffic) -> None:
    from rich.table import Table

    from portfolio.core.terminal import console

    versions = ", ".join(f"version {version}: {count:,}" for version, count in sorted(found.versions.items()))
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("answered", f"{found.answered:,} of {found.sent:,} in {found.seconds:.1f} s ({versions})")
    if found.answered:
        table.add_row("by the machine alone", f"{found.by_machine:,} ({found.by_machine / found.answered:.1%})")
        table.add_row("right", f"{found.right:,} ({found.right / found.answered:.1%})")
    table.add_row("labels asked for, and stored", f"{found.asked:,}, {found.labels:,}")
    if found.yen_per_1000 is not None:
        expected = 1000 * sum(found.expected_yen) / len(found.expected_yen)
        table.add_row("expected yen per 1,000", f"{expected:,.0f}")
        table.add_row("[bold]yen per 1,000 by the true labels[/]", f"[bold]{found.yen_per_1000:,.0f}[/]")
    console.print(table)
