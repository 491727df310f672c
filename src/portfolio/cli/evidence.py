"""Commands that measure the models and look for better ones."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from portfolio.cli.arguments import UseCaseName
from portfolio.core.counted import counted

app = typer.Typer()
PANEL = "Measure and improve"


class Language(StrEnum):
    en = "en"
    ja = "ja"


@app.command(rich_help_panel=PANEL)
def report(
    use_case: UseCaseName,
    lang: Annotated[Language, typer.Option(help="Language of the page that is printed at the end.")] = Language.en,
) -> None:
    """Write reports/USE_CASE: the result on one page, and answers for an interview, in English and Japanese."""
    from pipelines import versioning
    from portfolio.contract.loading import load_use_case
    from portfolio.core.paths import LOGS_VARIABLE, Paths
    from portfolio.report.words import PAGES

    case = load_use_case(use_case)
    paths = Paths(case.name)
    os.environ[LOGS_VARIABLE] = "1"
    log = paths.log("report")
    with versioning.log_of_this_run(log):
        versioning.reproduce(f"report@{case.name}", log, force=paths.report_is_stale())
    print((paths.report / PAGES[lang.value]).resolve().as_uri())


@app.command(rich_help_panel=PANEL)
def readme(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if a figure differs from the metrics.")
    ] = False,
) -> None:
    """Update the figures in README*.md and docs/ from the metrics files."""
    from portfolio.core.errors import DataError
    from portfolio.core.files import write_text
    from portfolio.core.paths import ANSWERS
    from portfolio.report.blocks.documents import documents, filled

    texts = {path: filled(path) for path in documents()}
    # The README of a project of one's own may be without figures.
    if not texts and not ANSWERS.exists():
        raise DataError("No README*.md and no docs with figures are here. Run this in the repository's root.")
    differ = [path for path, text in texts.items() if path.read_text(encoding="utf-8") != text]
    if check and differ:
        raise DataError(
            f"The figures in {', '.join(map(str, differ))} are not those of metrics/. Write them: make readme"
        )
    for path in differ:
        write_text(path, texts[path])
        print(f"{path} has been updated")


@app.command(rich_help_panel=PANEL)
def study(
    name: Annotated[str, typer.Argument(help="learning-curve, capacity, ablation, cross-validate or spread.")],
    use_case: UseCaseName,
    uncached: Annotated[bool, typer.Option(help="Run without DVC's cache.")] = False,
) -> None:
    """Measure overfitting, bias and variance over many trainings. DVC keeps the result until something changes."""
    from portfolio.contract.config import STUDIES
    from portfolio.contract.loading import load_use_case
    from portfolio.core import files
    from portfolio.core.errors import ConfigError
    from portfolio.core.paths import Paths

    if name not in STUDIES:
        raise ConfigError(f"There is no study '{name}'. There are: {', '.join(STUDIES)}.")
    case, paths = load_use_case(use_case), Paths(use_case)
    config = case.config()
    if uncached:
        from portfolio.training import spread, studies

        with files.alone(paths.lock(f"study-{name}")):
            if name == spread.STUDY:
                spread.run(case, config)
            else:
                studies.run(name, case, config)
        return
    from pipelines import versioning

    address, log = f"studies/dvc.yaml:study@{name}-{use_case}", paths.log(f"study-{name}")
    versioning.reproduce(address, log, [paths.study(name)])
    _show_study(paths.study(name))


@app.command(rich_help_panel=PANEL)
def tune(
    use_case: UseCaseName,
    workers: Annotated[int, typer.Option(help="Number of trials to run in parallel.", min=1, max=64)] = 2,
) -> None:
    """Search for better parameters with Optuna. If it is interrupted, the same command resumes."""
    from portfolio.contract.loading import load_use_case
    from portfolio.core.paths import Paths
    from portfolio.training.tuning import tune as search

    case = load_use_case(use_case)
    search(case, case.config(), workers)
    _show_tuning(Paths(use_case).metrics("tuning"), use_case)


@app.command(rich_help_panel=PANEL)
def tune_apply(
    use_case: UseCaseName,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Show what the best trial would change in the config, and write it there if you agree."""
    from portfolio.contract.config import config_path
    from portfolio.contract.loading import load_use_case
    from portfolio.core.files import write_text
    from portfolio.core.terminal import print_diff
    from portfolio.training.tuning import best_values, tuned_config

    config, path = load_use_case(use_case).config(), config_path(use_case)
    values = best_values(config)
    config.changed(values)
    before, after = path.read_text(encoding="utf-8"), tuned_config(path, values)
    if before == after:
        print(f"{path} already has the best trial's values.")
        return
    print_diff(path, before, after)
    if yes or typer.confirm("Write this?"):
        write_text(path, after)
        print(f"{path} has been changed. Train with it: portfolio run {use_case}")


def _show_study(path: Path) -> None:
    """Print a study's result as a table."""
    import json

    from rich.table import Table

    from portfolio.core.terminal import console
    from portfolio.report.words import spread

    study: dict[str, Any] = json.loads(path.read_text())
    repetitions = study["points"][0]["repetitions"]
    table = Table(title=f"{study['study']}: mean and range of {len(repetitions)} ({', '.join(repetitions)})")
    table.add_column("")
    names = {"train": "training", "val": "validation", "test": "test"}
    sides = [side for side in names if side in study["points"][0]]
    for metric in study["metrics"]:
        for side in sides:
            table.add_column(f"{metric}\n{names[side]}", justify="right")
    by_row = [{**point, "name": f"{point['name']}, row by row"} for point in study.get("by_row", [])]
    for point in [*study["points"], *by_row]:
        cells = [spread(point[side][metric]) for metric in study["metrics"] for side in sides]
        table.add_row(point["name"], *cells)
    console.print(table)
    console.print(f"It is in {path}; `portfolio report` shows it.")


def _show_tuning(path: Path, use_case: str) -> None:
    """Print a tuning's best trials, beside the config's own values."""
    import json

    from rich.table import Table

    from portfolio.core.terminal import console
    from portfolio.report.words import number

    record: dict[str, Any] = json.loads(path.read_text())
    table = Table(title=f"{counted(record['trials'], 'trial')}, {record['pruned']} of them pruned")
    for heading in ("trial", record["metric"], *record["space"]):
        table.add_column(heading.rpartition(".")[2], justify="right")
    configured = record["as_configured"]
    named = {f"{trial['trial']}": trial for trial in record["best"]}
    for name, trial in {**named, **({"as configured": configured} if configured else {})}.items():
        cells = [str(trial["values"].get(key, "")) for key in record["space"]]
        table.add_row(name, number(trial["val_loss"]), *cells)
    console.print(table)
    console.print(f"It is in {path}. To put the best into the config: portfolio tune-apply {use_case}")
