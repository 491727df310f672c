"""MLflow remembers each candidate: its parameters, metrics, curve by epoch, data set and bundle, as one run."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import content_sha256, read_manifest
from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.core.environment import local_environment, state_folder
from portfolio.core.errors import RegistryUnreachableError
from portfolio.core.paths import PARAMETERS_NAME, Paths
from portfolio.data.dataset import load_split

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

MODEL_SHA256_TAG = "model_sha256"
CONTENT_SHA256_TAG = "content_sha256"


def database() -> Path:
    """Where MLflow's records lie if MLFLOW_TRACKING_URI names no server."""
    return state_folder() / "mlflow" / "mlflow.db"


def client() -> MlflowClient:
    """A client of the server that MLFLOW_TRACKING_URI names, or of a database file under the state folder."""
    local_environment()
    from mlflow.tracking import MlflowClient

    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        database().parent.mkdir(parents=True, exist_ok=True)
        uri = f"sqlite:///{database()}"
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
        remedy = (
            "Start that server, or correct MLFLOW_TRACKING_URI"
            if uri
            else "Bring back a copy of that file, or move it away to begin with an empty registry"
        )
        reason = str(error).strip().splitlines()[0]
        raise RegistryUnreachableError(
            f"MLflow at {uri or database()} can't answer ({reason}). {remedy}; then run the same again."
        ) from error


def experiment_id(mlflow: MlflowClient, use_case: str) -> str:
    found = mlflow.get_experiment_by_name(use_case)
    if found is not None:
        return str(found.experiment_id)
    local = os.environ.get("MLFLOW_TRACKING_URI") is None
    location = (state_folder() / "mlflow" / "artifacts" / use_case).as_uri() if local else None
    return str(mlflow.create_experiment(use_case, artifact_location=location))


def log_candidate(mlflow: MlflowClient, use_case: UseCase, config: Config, name: str, folder: Path) -> str:
    """Log one candidate as a run, and give back the run's id. A candidate that was logged before keeps its run."""
    from mlflow.entities import Metric, Param, RunTag

    manifest, _ = read_manifest(folder)
    experiment = experiment_id(mlflow, use_case.name)
    known = mlflow.search_runs(
        [experiment],
        f"tags.{CONTENT_SHA256_TAG} = '{content_sha256(manifest)}' and attributes.status = 'FINISHED'",
        max_results=1,
    )
    if known:
        return str(known[0].info.run_id)
    paths = Paths(use_case.name)
    run = mlflow.create_run(experiment, run_name=name)
    run_id = str(run.info.run_id)
    scores = json.loads(paths.metrics("evaluate").read_text())["candidates"][name]
    timestamp = run.info.start_time
    metrics = [Metric(f"test/{key}", value, timestamp, 0) for key, value in scores.items()]
    parameters: dict[str, Any] = {"candidate": name}
    if manifest.policy is not None:
        parameters |= {f"prices.{key}": value for key, value in manifest.policy.prices.model_dump().items()}
        if manifest.policy.tolerance is not None:
            parameters["tolerance"] = manifest.policy.tolerance
    estimator = paths.fitted()[name] / PARAMETERS_NAME
    if estimator.exists():
        parameters |= {f"estimator.{key}": value for key, value in json.loads(estimator.read_text()).items()}
    if name == "network":
        parameters |= {f"train.{key}": value for key, value in config.train.model_dump().items()}
        parameters |= {f"network.{key}": value for key, value in config.network.items()}
        for row in _history(paths):
            metrics += [
                Metric(key.replace("_", "/", 1), row[key], timestamp, int(row["epoch"]))
                for key in ("train_loss", "val_loss")
            ]
        mlflow.log_artifact(run_id, str(paths.plots / "training.csv"), "plots")
    _log_plots(mlflow, run_id, use_case, name, folder)
    mlflow.log_batch(
        run_id,
        metrics=metrics,
        params=[Param(key, str(value)) for key, value in parameters.items()],
        tags=[
            RunTag("git_commit", manifest.lineage.git_commit),
            RunTag("data_sha256", manifest.lineage.data_sha256),
            RunTag("config_sha256", manifest.lineage.config_sha256),
            RunTag(MODEL_SHA256_TAG, manifest.model_sha256),
            RunTag(CONTENT_SHA256_TAG, content_sha256(manifest)),
        ],
    )
    _log_dataset(mlflow, run_id, use_case, manifest.lineage.data_sha256)
    mlflow.log_artifacts(run_id, str(folder), "bundle")
    mlflow.set_terminated(run_id)
    return run_id


def _history(paths: Paths) -> list[dict[str, float]]:
    """The network's losses by epoch."""
    with (paths.plots / "training.csv").open() as stream:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]


def _log_plots(mlflow: MlflowClient, run_id: str, use_case: UseCase, name: str, folder: Path) -> None:
    """Draw the pictures of one candidate. They are no outputs of the stages, which would run anew for a colour."""
    from portfolio.report import plots

    paths = Paths(use_case.name)
    test = load_split(use_case, "test")
    with TemporaryDirectory() as drawn:
        answers = Bundle.open(folder).predict(test.inputs)
        plots.predictions(Path(drawn) / f"{name}.png", use_case.output, test.targets, answers)
        if name == "network":
            best_epoch = json.loads(paths.metrics("train").read_text())["best_epoch"]
            plots.training(Path(drawn) / "training.png", _history(paths), best_epoch)
        mlflow.log_artifacts(run_id, drawn, "plots")


def _log_dataset(mlflow: MlflowClient, run_id: str, use_case: UseCase, data_sha256: str) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    splits = Paths(use_case.name).splits
    dataset = Dataset(
        name=use_case.name,
        digest=data_sha256[:12],
        source_type="local",
        source=json.dumps({"uri": str(splits)}),
        profile=json.dumps({"sha256": data_sha256}),
    )
    mlflow.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
