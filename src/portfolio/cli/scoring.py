"""Batch scoring."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from portfolio.cli.arguments import UseCaseName
from portfolio.core.counted import counted

app = typer.Typer()
PANEL = "Score files"


@app.command(rich_help_panel=PANEL)
def score(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="CSV, TSV, Parquet or Excel: a file, or a folder of them.")
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The output, .csv or .parquet; a new file.")],
    use_case: UseCaseName,
) -> None:
    """Score all rows of files with the champion, without a server, on all cores. The files may be larger than memory.

    OUT has for each row its key (or its number), the answer with its probabilities or interval, who decides, and the
    expected yen. Rows that do not fit go to OUT's name with .rejected, with the reason; a summary is beside it as JSON.
    If it is interrupted, the same command goes on from there.
    """
    from rich.table import Table

    from portfolio.core.terminal import console, rows_progress
    from portfolio.scoring.job import Job

    job = Job(use_case, source, target)
    with rows_progress(f"scoring {source}") as on_rows:
        found = job.run(on_rows)
    table = Table(title=f"{target}, by version {found.model_version} of {found.use_case}", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("answered", counted(found.rows, "row"))
    table.add_row("  by the machine alone", f"{found.by_machine:,} ({found.by_machine / found.rows:.1%})")
    table.add_row("  to be checked by a person", f"{found.by_person:,} ({found.by_person / found.rows:.1%})")
    if found.expected_yen is not None:
        table.add_row("all by hand would cost", f"{found.by_hand_yen:,.0f} yen")
        table.add_row("[bold]expected to save[/]", f"[bold]{found.expected_yen:,.0f} yen[/]")
        table.add_row("  per 1,000 rows", f"{found.expected_yen_per_1000:,.0f} yen")
    if found.rejected:
        table.add_row("[yellow]rejected[/]", counted(found.rejected, "row"))
    console.print(table)
    for reason, count in found.reasons.items():
        console.print(f"  {counted(count, 'row')}: {reason}", markup=False, soft_wrap=True)
    if found.rejected:
        console.print(f"The rejected rows, with their reasons: {job.rejected}", soft_wrap=True)
    console.print(f"The same figures as JSON: {job.summary}", soft_wrap=True)
