"""MLflow: where it is, a client of it, and what is said when it can't answer."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from portfolio.core import files
from portfolio.core.environment import local_environment, sqlite_address, state_folder
from portfolio.core.errors import RegistryError, RegistryUnreachableError
from portfolio.core.sqlite import LOCKED, is_locked
from portfolio.registry import moved

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


WITHOUT_RECORDS = "Bring back a copy of that file; serving goes on without it (portfolio serve)"


def database() -> Path:
    """Where MLflow's records lie if MLFLOW_TRACKING_URI names no server."""
    return state_folder() / "mlflow" / "mlflow.db"


def check_database() -> None:
    """Raise RegistryUnreachableError where the local records are there, but held, or no database any more."""
    if not database().exists():
        return
    try:
        address = f"{database().absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=moved.LOCKED_SECONDS)) as connection:
            connection.execute("select count(*) from sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        raise _unreachable(str(error), LOCKED if is_locked(error) else WITHOUT_RECORDS) from error


def has_registry() -> bool:
    """Whether a server is named, or there is a local database. To ask a client for one would make it."""
    return bool(os.environ.get("MLFLOW_TRACKING_URI")) or database().exists()


def client() -> MlflowClient:
    """A client of the server that MLFLOW_TRACKING_URI names, or of a database file under the state folder."""
    local_environment()
    from mlflow.tracking import MlflowClient

    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        database().parent.mkdir(parents=True, exist_ok=True)
        uri = sqlite_address(database())
        # Two that start together would both make the tables, and both fail.
        with files.alone(database().with_suffix(".lock"), "another start of MLflow"), answering():
            moved.move_records(database())
            return MlflowClient(uri)
    with answering():
        return MlflowClient(uri)


@contextmanager
def answering() -> Iterator[None]:
    """Raise RegistryUnreachableError, naming the address and the remedy, where MLflow can't answer.

    What it answers that something isn't there, its callers expect where they ask.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        uri = os.environ.get("MLFLOW_TRACKING_URI")
        remedy = "Start that server, or correct MLFLOW_TRACKING_URI" if uri else WITHOUT_RECORDS
        reason = str(error).strip().splitlines()[0]
        if "out-of-date database schema" in reason:
            reason = "its tables are of another version of MLflow"
            remedy = (
                "Make a copy, then bring it up to date: mlflow db upgrade "
                f"{uri or sqlite_address(database())}. If a newer MLflow wrote it, use that one"
            )
        if is_locked(error):
            remedy = LOCKED
        raise _unreachable(reason, remedy) from error


def _unreachable(reason: str, remedy: str) -> RegistryUnreachableError:
    return moved.unreachable(os.environ.get("MLFLOW_TRACKING_URI") or database(), reason, remedy)


def experiment_id(mlflow: MlflowClient, use_case: str) -> str:
    """The use case's experiment; made, if there is none. Raises RegistryError if it was deleted."""
    found = mlflow.get_experiment_by_name(use_case)
    if found is not None and found.lifecycle_stage == "deleted":
        uri = os.environ.get("MLFLOW_TRACKING_URI") or sqlite_address(database())
        raise RegistryError(
            f"MLflow's experiment '{use_case}', which has the runs, was deleted. Bring it back: "
            f"MLFLOW_TRACKING_URI={uri} mlflow experiments restore --experiment-id {found.experiment_id}"
        )
    if found is not None:
        return str(found.experiment_id)
    is_remote = bool(os.environ.get("MLFLOW_TRACKING_URI"))
    location = None if is_remote else (state_folder() / "mlflow" / "artifacts" / use_case).as_uri()
    return str(mlflow.create_experiment(use_case, artifact_location=location))
