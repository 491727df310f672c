"""What this folder's state holds that can't be made again, and a command to delete it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()
PANEL = "Start over"
# By folder under .state. Everything else there can be made again: `make clean` deletes it.
IRREPLACEABLE = {
    "log": "prediction log, with the labels from feedback",
    "mlflow": "MLflow's runs, artifacts and model registry",
    "store": "published bundles, and which of them is served",
    "tuning": "tuning studies",
    "prefect": "Prefect's history of flow runs",
    "notices": "how runs ended, and what waits for a person",
}
CONFIRMATION = "delete"


@app.command(rich_help_panel=PANEL)
def clean_state(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete the registry, the store, the prediction log and its labels. Shows what would be lost, and asks."""
    import shutil

    from rich.table import Table

    from portfolio.core.environment import state_folder
    from portfolio.core.terminal import console

    state = state_folder()
    found = {name: state / name for name in IRREPLACEABLE if (state / name).exists()}
    if not found:
        print(f"There is nothing to delete in {state}.")
        return
    table = Table(title=f"What can't be made again in {state}", title_justify="left")
    table.add_column("folder")
    table.add_column("what it holds")
    table.add_column("files", justify="right")
    table.add_column("MiB", justify="right")
    for name, folder in found.items():
        sizes = _sizes(folder)
        table.add_row(name, IRREPLACEABLE[name], f"{len(sizes):,}", f"{sum(sizes) / 2**20:,.1f}")
    console.print(table)
    if not yes:
        print("Stop the servers that use it first. Data, metrics, and databases elsewhere are not touched.")
        if typer.prompt(f"To delete all of this for good, type '{CONFIRMATION}'", default="") != CONFIRMATION:
            print("Nothing was deleted.")
            raise typer.Exit(1)
    for folder in found.values():
        shutil.rmtree(folder)
    print(f"Deleted: {', '.join(found)}.")


def _sizes(folder: Path) -> list[int]:
    return [path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()]
