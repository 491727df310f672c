"""Single steps of the loop."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portfolio.cli.arguments import NamedUseCase, UseCaseName
from portfolio.core.counted import counted

if TYPE_CHECKING:
    from rich.table import Table

    from portfolio.data.recollect import Difference

app = typer.Typer()
PANEL = "Run a single step"


@app.command(rich_help_panel=PANEL)
def collect(
    use_case: UseCaseName,
    file: Annotated[
        Path | None, typer.Argument(help="A file of new rows, to be put into the use case's folder first.")
    ] = None,
    day: Annotated[
        datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="The day of the file's batch, if not today."),
    ] = None,
) -> None:
    """Collect new batches into data/USE_CASE/raw/batches/DATE.parquet, and put them under DVC."""
    if file is not None:
        from portfolio.profiling.addition import add_file

        print(f"copied to {add_file(use_case, file, day)}")
    from portfolio.contract.loading import load_use_case
    from portfolio.core.paths import Paths
    from portfolio.data.collect import collect as collect_new

    case, batches = load_use_case(use_case), Paths(use_case).batches
    from pipelines import versioning

    versioning.check_place(use_case)
    print(collect_new(case.source, batches, case.config().collect.until))
    # Queued experiments run in a copy, which contains only what git or DVC tracks.
    versioning.add(batches)


@app.command(rich_help_panel=PANEL)
def recollect(
    use_case: UseCaseName,
    days: Annotated[
        list[datetime] | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Only this batch. Repeatable.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Replace collected batches with what a corrected source holds now. Shows the difference, and asks first."""
    from portfolio.contract.loading import load_use_case
    from portfolio.core.paths import Paths
    from portfolio.core.terminal import console
    from portfolio.data.recollect import differences, replace

    case, batches = load_use_case(use_case), Paths(use_case).batches
    found = differences(case.source, batches, [day.date() for day in days or []])
    if not found:
        print("Every collected batch is the same as in its source.")
        return
    console.print(_differences(found))
    if not yes and not typer.confirm(f"Replace {counted(len(found), 'batch', 'batches')} in {batches}?", default=False):
        print("Nothing was changed.")
        raise typer.Exit(1)
    replace(batches, found)
    from pipelines import versioning

    versioning.add(batches)
    print(
        f"Replaced: {counted(len(found), 'batch', 'batches')}. To bring back those of the last commit: git checkout "
        f"{batches}.dvc, then "
        f"dvc checkout {batches}"
    )


@app.command(rich_help_panel=PANEL)
def refuse(
    use_case: UseCaseName,
    batch: Annotated[str, typer.Argument(help="The batch, such as 2026-01-31-feedback-001.")],
    because: Annotated[str, typer.Option(help="The reason, which goes into quarantine with its rows.")] = (
        "a person refused the batch"
    ),
) -> None:
    """Refuse a batch of labels found to be wrong: it is not trained on, and its labels are not collected again."""
    from portfolio.contract.loading import load_use_case
    from portfolio.core.paths import Paths
    from portfolio.monitoring.feedback import refuse as refuse_rows

    case, batches = load_use_case(use_case), Paths(use_case).batches
    refused = refuse_rows(case, batches, batch, because)
    from pipelines import versioning

    versioning.add(batches)
    print(f"Refused: {counted(refused, 'row')} of {batch}. Train without them: portfolio run {use_case}")


def _differences(found: Sequence[Difference]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title="What is different in the source now", title_justify="left")
    for name in ("batch", "rows", "in the source", "new rows", "gone", "changed", "where"):
        table.add_column(name, justify="left" if name in ("batch", "where") else "right")
    for batch in found:
        before = "unreadable" if batch.rows_before is None else f"{batch.rows_before:,}"
        after = "no such batch" if batch.after is None else f"{len(batch.after):,}"
        if batch.changed is None:
            counts, where = ["?"] * 3, "keys are missing or not unique"
        else:
            counts = [f"{count:,}" for count in (batch.added, batch.removed, batch.changed_rows)]
            where = ", ".join(f"{column} ({count:,})" for column, count in batch.changed.items())
        table.add_row(str(batch.day), before, after, *counts, Text(where))
    return table


@app.command(rich_help_panel=PANEL)
def stage(name: Annotated[str, typer.Argument(help="Name of a stage in dvc.yaml.")], use_case: NamedUseCase) -> None:
    """Run one stage, as dvc.yaml does. `dvc repro` is what you want: it runs only what has changed."""
    import importlib
    import pkgutil

    import portfolio.stages
    from portfolio.cli import provenance
    from portfolio.contract.loading import load_use_case
    from portfolio.core import files
    from portfolio.core.errors import ConfigError
    from portfolio.core.paths import LOGS_VARIABLE, Paths

    provenance.check_code()
    names = sorted(module.name for module in pkgutil.iter_modules(portfolio.stages.__path__))
    if name not in names:
        raise ConfigError(f"There is no stage '{name}'. There are: {', '.join(names)}.")
    case = load_use_case(use_case)
    if LOGS_VARIABLE in os.environ:
        log = Paths(use_case).log(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as stream:
            # The file descriptors, not sys.stdout, because C libraries write to them too.
            os.dup2(stream.fileno(), 1)
            os.dup2(stream.fileno(), 2)
    config = case.config()
    provenance.check_versions(name)
    if name != "configure":
        provenance.check_config(config)
    # A stage may still be running after its DVC was killed, and two at once would delete each other's files.
    with files.alone(Paths(use_case).lock(name)):
        importlib.import_module(f"portfolio.stages.{name}").run(case, config)
