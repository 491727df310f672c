"""MLflow's records in a checkout that was moved or copied: they name their files by absolute paths.

Left as they are, a copy would read and write the artifacts of the folder that it was made from.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from portfolio.core.errors import RegistryError, RegistryUnreachableError
from portfolio.core.sqlite import LOCKED, is_locked

# How long another process is waited for that writes.
LOCKED_SECONDS = 30.0

# What MLflow keeps paths in: by table, the columns.
LOCATIONS = {
    "experiments": ["artifact_location"],
    "runs": ["artifact_uri"],
    "model_versions": ["source", "storage_location"],
    "logged_models": ["artifact_location"],
}


def move_records(database: Path) -> None:
    """Bring the paths below an earlier `artifacts` folder to the one beside the database file.

    Raises RegistryError if the file can't be opened, or another process holds it, which MLflow would try for minutes.
    What else may be wrong with it is MLflow's to tell.
    """
    if not database.exists():
        return
    here = database.with_name("artifacts").as_uri()
    try:
        with closing(sqlite3.connect(database, timeout=LOCKED_SECONDS)) as connection, connection:
            for earlier in _earlier(connection, here):
                _rewrite(connection, earlier, here)
    except sqlite3.DatabaseError as error:
        if "unable to open" in str(error):
            raise RegistryError(f"{database} can't be opened. See that it is a file which you may write.") from error
        if is_locked(error):
            raise unreachable(database, str(error), LOCKED) from error


def unreachable(address: object, reason: str, remedy: str) -> RegistryUnreachableError:
    return RegistryUnreachableError(f"MLflow at {address} can't answer ({reason}). {remedy}; then run the same again.")


def _earlier(connection: sqlite3.Connection, here: str) -> list[str]:
    """Where the artifacts of our experiments were kept, other than here. Each has a folder of its experiment's name."""
    rows = connection.execute("SELECT artifact_location FROM experiments WHERE artifact_location LIKE 'file:///%'")
    folders = {str(location).rpartition("/")[0] for (location,) in rows}
    return [folder for folder in sorted(folders) if folder.endswith("/mlflow/artifacts") and folder != here]


def _rewrite(connection: sqlite3.Connection, earlier: str, here: str) -> None:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table, columns in LOCATIONS.items():
        for column in columns if table in tables else []:
            # The names are ours, from above.
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                (here, len(earlier) + 1, len(earlier) + 1, f"{earlier}/"),
            )
