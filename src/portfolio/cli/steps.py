"""Single steps of the loop."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from portfolio.cli.arguments import NamedUseCase, UseCaseName

app = typer.Typer()
PANEL = "Run a single step"


@app.command(rich_help_panel=PANEL)
def collect(use_case: UseCaseName) -> None:
    """Collect new batches into data/USE_CASE/raw/batches/DATE.parquet, and put them under DVC."""
    from portfolio.contract.loading import load_use_case
    from portfolio.core.paths import Paths
    from portfolio.data.collect import collect as collect_new

    case, batches = load_use_case(use_case), Paths(use_case).batches
    print(collect_new(case.source, batches, case.config().collect.until))
    # Queued experiments run in a copy, which has what git or DVC keeps.
    from pipelines import versioning

    versioning.add(batches)


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
            # The descriptors, not sys.stdout: libraries in C write there too.
            os.dup2(stream.fileno(), 1)
            os.dup2(stream.fileno(), 2)
    config = case.config()
    provenance.check_versions(name)
    if name != "configure":
        provenance.check_config(config)
    # One whose DVC was killed may still run: two at once would take each other's checkpoints and files away.
    with files.alone(Paths(use_case).lock(name)):
        importlib.import_module(f"portfolio.stages.{name}").run(case, config)
