"""With a real MLflow on a database file."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from portfolio.bundle.lineage import origin
from portfolio.bundle.manifest import read_manifest
from portfolio.contract.loading import load_use_case
from portfolio.core.errors import RegistryError, RegistryUnreachableError
from portfolio.core.paths import Paths
from portfolio.data.dataset import data_sha256
from portfolio.registry.registry import Registry
from portfolio.registry.runs import lineage_of, log_candidate
from portfolio.registry.tracking import check_database, client, database, experiment_id
from tests.registry.conftest import GOOD, MIDDLING, Train
from tests.workspace import QUICK_EPOCHS, environment_kept

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient


def log(mlflow: MlflowClient, name: str) -> str:
    folder = Paths("toy").candidates()[name]
    return log_candidate(mlflow, load_use_case("toy"), load_use_case("toy").config(), name, folder)


def runs(mlflow: MlflowClient) -> list[Run]:
    experiment = mlflow.get_experiment_by_name("toy")
    return list(mlflow.search_runs([experiment.experiment_id]))


def test_a_network_has_its_parameters_and_its_curve_by_epoch(mlflow: MlflowClient) -> None:
    run_id = log(mlflow, "network")
    run = mlflow.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["train.learning_rate"] == "0.01"
    assert run.data.params["network.hidden"] == "8"
    for metric in ("train/loss", "val/loss"):
        history = mlflow.get_metric_history(run_id, metric)
        assert [point.step for point in sorted(history, key=lambda point: point.step)] == list(
            range(1, QUICK_EPOCHS + 1)
        )
    lines = Path(mlflow.download_artifacts(run_id, "plots/training.csv")).read_text()
    assert lines == (Paths("toy").plots / "training.csv").read_text()


@pytest.mark.parametrize(
    ("name", "drawn"),
    [("network", {"network.png", "training.png"}), ("logistic_regression", {"logistic_regression.png"})],
)
def test_a_run_has_its_pictures(mlflow: MlflowClient, name: str, drawn: set[str]) -> None:
    plots = Path(mlflow.download_artifacts(log(mlflow, name), "plots"))
    assert {path.name: path.read_bytes()[:4] for path in plots.glob("*.png")} == {n: b"\x89PNG" for n in drawn}


def test_a_baseline_has_its_parameters_and_each_run_its_policy_and_prices(mlflow: MlflowClient) -> None:
    baseline, network = (mlflow.get_run(log(mlflow, name)).data.params for name in ("logistic_regression", "network"))
    assert baseline["estimator.C"] == "1.0"
    for params in (baseline, network):
        assert float(params["prices.check_yen"]) > 0
        assert float(params["prices.error_yen"]) == load_use_case("toy").config().value.error_yen


@pytest.mark.parametrize("name", ["network", "logistic_regression"])
def test_a_run_has_the_test_metrics_the_lineage_the_data_and_the_bundle(mlflow: MlflowClient, name: str) -> None:
    folder = Paths("toy").candidates()[name]
    manifest, _ = read_manifest(folder)
    run = mlflow.get_run(log(mlflow, name))
    assert run.data.params["candidate"] == name
    scores = json.loads(Paths("toy").metrics("evaluate").read_text())["candidates"][name]
    assert manifest.figures == pytest.approx(scores)
    found = {key.removeprefix("test/"): value for key, value in run.data.metrics.items() if key.startswith("test/")}
    assert found == pytest.approx(scores)
    assert lineage_of(run).evaluated == origin("toy", load_use_case("toy").config().sha256)
    assert run.data.tags["git_commit"] == "unknown"
    assert run.data.tags["data_sha256"] == data_sha256(load_use_case("toy"))
    assert run.data.tags["config_sha256"] == load_use_case("toy").config().sha256
    (used,) = run.inputs.dataset_inputs
    assert used.dataset.name == "toy"
    assert data_sha256(load_use_case("toy")).startswith(used.dataset.digest)
    bundle = Path(mlflow.download_artifacts(run.info.run_id, "bundle"))
    for file in ("model.onnx", "manifest.json"):
        assert (bundle / file).read_bytes() == (folder / file).read_bytes()


def test_the_same_model_is_logged_once(mlflow: MlflowClient) -> None:
    first = log(mlflow, "logistic_regression")
    assert log(mlflow, "logistic_regression") == first
    assert log(mlflow, "network") != first
    assert len(runs(mlflow)) == 2


def test_a_run_whose_logging_broke_off_is_not_taken_for_whole(
    mlflow: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(type(mlflow), "log_artifacts", full)
        with pytest.raises(OSError, match="No space left"):
            log(mlflow, "logistic_regression")
    whole = log(mlflow, "logistic_regression")
    assert Path(mlflow.download_artifacts(whole, "bundle/model.onnx")).exists()
    assert {run.info.run_id: run.info.status for run in runs(mlflow)}[whole] == "FINISHED"
    assert len(runs(mlflow)) == 2


def test_everything_local_is_under_the_state_folder(mlflow: MlflowClient) -> None:
    run = mlflow.get_run(log(mlflow, "logistic_regression"))
    assert run.info.artifact_uri.startswith((Path.cwd() / ".state").as_uri())
    assert not (Path.cwd() / "mlruns").exists()
    assert not (Path.cwd() / "mlflow.db").exists()


def test_a_server_that_is_named_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PORTFOLIO_STATE", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert client().tracking_uri == "http://127.0.0.1:9"
    assert not (tmp_path / "mlflow").exists()


def test_records_of_another_version_of_mlflow_are_named_with_the_remedy(mlflow: MlflowClient, tmp_path: Path) -> None:
    shutil.copytree(database().parent, tmp_path / "old" / "mlflow")
    os.environ["PORTFOLIO_STATE"] = str(tmp_path / "old")
    with closing(sqlite3.connect(database())) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    with pytest.raises(RegistryUnreachableError, match=r"tables are of another version.*mlflow db upgrade sqlite:////"):
        client()


def test_records_that_can_not_be_opened_are_named_at_once(mlflow: MlflowClient, tmp_path: Path) -> None:
    os.environ["PORTFOLIO_STATE"] = str(tmp_path / "other")
    database().mkdir(parents=True)
    with pytest.raises(RegistryError, match=r"mlflow\.db can't be opened"):
        client()


def test_a_damaged_database_is_named_with_the_remedy(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    database = workspace / ".state" / "mlflow" / "mlflow.db"
    database.parent.mkdir(parents=True)
    database.write_text("no database")
    with pytest.raises(RegistryUnreachableError, match=r"mlflow\.db .*Bring back a copy"):
        Registry(load_use_case("toy"))


@pytest.mark.parametrize("act", [client, check_database])
def test_records_that_another_process_holds_are_not_called_damaged(
    mlflow: MlflowClient, act: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portfolio.registry.moved.LOCKED_SECONDS", 0.1)
    with closing(sqlite3.connect(database(), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RegistryUnreachableError, match=r"is locked.*Another process.*end it; then") as told:
            act()
    assert "copy" not in str(told.value)
    act()


def test_a_deleted_experiment_is_named_with_what_brings_it_back(
    registry: Registry, train: Train, mlflow: MlflowClient
) -> None:
    train(MIDDLING)
    mlflow.delete_experiment(mlflow.get_experiment_by_name("toy").experiment_id)
    with pytest.raises(RegistryError, match=r"MLFLOW_TRACKING_URI=sqlite:///.*mlflow experiments restore") as told:
        train(GOOD)
    command = str(told.value).split("Bring it back: ")[1]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(command, shell=True, check=True, capture_output=True, env=os.environ | {"PATH": path})
    assert train(GOOD) == 2


def test_an_empty_address_of_mlflow_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own folder of artifacts would lie in the project."""
    monkeypatch.setenv("PORTFOLIO_STATE", str(tmp_path / ".state"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    with environment_kept():
        mlflow = client()
        location = mlflow.get_experiment(experiment_id(mlflow, "new")).artifact_location
    assert location == (tmp_path / ".state" / "mlflow" / "artifacts" / "new").as_uri()
