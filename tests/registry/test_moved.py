"""A checkout that was moved, or copied, or lies in a folder of any name: its records and artifacts stay in it."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from portfolio.contract.loading import load_use_case
from portfolio.core.paths import Paths
from portfolio.registry.registry import Registry
from portfolio.registry.runs import log_candidate
from portfolio.registry.tracking import client, database, experiment_id
from tests.registry.conftest import GOOD, MIDDLING, REGISTER, Train, contents, edit_card
from tests.workspace import TOY, run_stage

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

MOVED = f"""{REGISTER}
print(registry.rollback(), registry.rollback())
"""


@pytest.mark.parametrize("how", [shutil.move, shutil.copytree])
def test_a_checkout_that_was_moved_or_copied_uses_its_own_artifacts(
    registry: Registry, train: Train, monkeypatch: pytest.MonkeyPatch, how: Callable[[Path, Path], object]
) -> None:
    registry.promote(train(MIDDLING))
    registry.promote(train(GOOD))
    old, new = Path.cwd(), Path.cwd().with_name("moved to, 新")
    how(old, new)
    before = contents(str(old))
    monkeypatch.chdir(new)
    monkeypatch.setenv("PORTFOLIO_STATE", str(new / ".state"))
    # What the store has is not asked of MLflow.
    shutil.rmtree(".state/store/toy/bundles")
    edit_card()
    run_stage("evaluate", "toy")
    # In a process of its own, as it will be: MLflow remembers within one where a run's artifacts are.
    told = subprocess.run([sys.executable, "-c", MOVED], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["True", "2", "1"]
    assert (old / ".state" / "mlflow").exists() == (how is shutil.copytree)
    assert contents(str(old)) == before
    for run in client().search_runs([experiment_id(client(), "toy")]):
        assert run.info.artifact_uri.startswith((new / ".state").as_uri())


@pytest.mark.parametrize("name", ["a?b%20c#d;e", 'マイ it\'s $5 & "more"'])
def test_a_folder_may_have_any_name(
    mlflow: MlflowClient, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "outside" / name
    folder.parent.mkdir()
    shutil.move(Path.cwd(), folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PORTFOLIO_STATE", str(folder / ".state"))
    # In a process of its own, as it will be: where a name can't be in an address, that of the database is relative, and
    # MLflow would go on with the one that it opened in another folder.
    subprocess.run([sys.executable, "-c", REGISTER], check=True)
    assert database().exists()
    with closing(sqlite3.connect(database())) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone()[0] > 0
    assert [path.name for path in folder.parent.iterdir()] == [name]


def test_records_of_artifacts_that_are_kept_elsewhere_are_left_alone(mlflow: MlflowClient, tmp_path: Path) -> None:
    elsewhere = (tmp_path / "bucket" / "artifacts").as_uri()
    mlflow.create_experiment(TOY, artifact_location=elsewhere)
    folder = Paths(TOY).candidates()["network"]
    run = client().get_run(log_candidate(client(), load_use_case(TOY), load_use_case(TOY).config(), "network", folder))
    assert run.info.artifact_uri.startswith(elsewhere)
