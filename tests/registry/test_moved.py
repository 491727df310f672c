"""A checkout that was moved, or copied, or lies in a folder of any name: its records and artifacts stay in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from portfolio.contract.loading import load_use_case
from portfolio.core.paths import Paths
from portfolio.registry.registry import Registry
from portfolio.registry.tracking import client, database, experiment_id, log_candidate
from tests.conftest import TOY, edit_config, run_stage

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

GO_ON = f"""
from portfolio.contract.loading import load_use_case
from portfolio.registry.registry import Registry

case = load_use_case("{TOY}")
registry = Registry(case)
second = registry.register(case.config())
print(second, registry.promote(second, force=True).promoted, registry.rollback())
"""


def content(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("copied", [True, False], ids=["copied", "moved"])
def test_a_checkout_goes_on_where_it_lies_now(
    mlflow: MlflowClient, copied: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Registry(load_use_case(TOY))
    number = first.register(load_use_case(TOY).config())
    assert first.promote(number, force=True).promoted
    old, new = Path.cwd(), tmp_path / "the new 場所"
    if copied:
        shutil.copytree(old, new)
    else:
        shutil.move(old, new)
    before = content(old) if copied else {}
    monkeypatch.chdir(new)
    monkeypatch.setenv("PORTFOLIO_STATE", str(new / ".state"))
    edit_config(TOY, value={"error_yen": 5})
    run_stage("evaluate", TOY)
    # In a process of its own, as it will be: MLflow remembers within one where a run's artifacts are.
    told = subprocess.run([sys.executable, "-c", GO_ON], capture_output=True, text=True, check=True).stdout
    assert told == f"{number + 1} True {number}\n"
    assert (old / ".state" / "mlflow").exists() == copied
    assert (content(old) if copied else {}) == before
    for run in client().search_runs([experiment_id(client(), TOY)]):
        assert run.info.artifact_uri.startswith((new / ".state").as_uri())


@pytest.mark.parametrize("name", ["a?b", "a%20b", "a#b;c", 'it\'s $5 & "more"', "マイ プロジェクト"])
def test_a_folder_may_have_any_name(
    mlflow: MlflowClient, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "outside" / name
    folder.parent.mkdir()
    shutil.move(Path.cwd(), folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PORTFOLIO_STATE", str(folder / ".state"))
    case = load_use_case(TOY)
    number = Registry(case).register(case.config())
    assert Registry(case).promote(number, force=True).promoted
    assert database().exists()
    assert [path.name for path in folder.parent.iterdir()] == [name]


def test_records_of_artifacts_that_are_kept_elsewhere_are_left_alone(mlflow: MlflowClient, tmp_path: Path) -> None:
    elsewhere = (tmp_path / "bucket" / "artifacts").as_uri()
    mlflow.create_experiment(TOY, artifact_location=elsewhere)
    folder = Paths(TOY).candidates()["network"]
    run = client().get_run(log_candidate(client(), load_use_case(TOY), load_use_case(TOY).config(), "network", folder))
    assert run.info.artifact_uri.startswith(elsewhere)
