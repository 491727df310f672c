"""MLflow remembers each candidate: its parameters, metrics, curve by epoch, data set and bundle, as one run."""

from __future__ import annotations

import csv
import hashlib
import json
import socket
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.lineage import origin
from portfolio.bundle.manifest import Lineage, read_manifest
from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.core.environment import state_folder
from portfolio.core.paths import PARAMETERS_NAME, Paths
from portfolio.data.dataset import data_sha256, load_split
from portfolio.registry.tracking import experiment_id

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

MODEL_SHA256_TAG = "model_sha256"
# What names a bundle in the store, at the server's /model, in git and in the report.
BUNDLE_DIGEST_TAG = "bundle_digest"
LINEAGE_TAG = "lineage"
BEGUN_BY_TAG = "begun_by"
"""A checkout: its machine and its place, as a digest."""


def end_lost_runs(mlflow: MlflowClient, use_case: str) -> None:
    """Call those killed that this checkout began and never ended. It must have none under way."""
    experiment = experiment_id(mlflow, use_case)
    mine = f"tags.{BEGUN_BY_TAG} = '{_checkout()}' and attributes.status = 'RUNNING'"
    for run in mlflow.search_runs([experiment], mine):
        mlflow.set_terminated(run.info.run_id, "KILLED")


def log_candidate(
    mlflow: MlflowClient, use_case: UseCase, config: Config, name: str, folder: Path, recorded: Lineage | None = None
) -> str:
    """Log one candidate as a run, and give back the run's id. A bundle that was logged before keeps its run.

    `recorded` is its lineage if it was made elsewhere.
    """
    from mlflow.entities import Metric, Param

    experiment = experiment_id(mlflow, use_case.name)
    manifest, digest = read_manifest(folder)
    known = _runs(mlflow, experiment, BUNDLE_DIGEST_TAG, digest)
    if known:
        return str(known[0].info.run_id)
    paths = Paths(use_case.name)
    run = _begin(mlflow, experiment, name)
    run_id = str(run.info.run_id)
    timestamp = run.info.start_time
    metrics = []
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
    mlflow.log_batch(run_id, metrics=metrics, params=[Param(key, str(value)) for key, value in parameters.items()])
    data = data_sha256(use_case)
    _log_dataset(mlflow, run_id, use_case, data)
    now = origin(use_case.name, config.sha256)
    same_model = _runs(mlflow, experiment, MODEL_SHA256_TAG, manifest.model_sha256)
    trained = lineage_of(same_model[0]).trained if same_model else None
    lineage = recorded or Lineage(trained=trained or now, evaluated=now, data_sha256=data)
    return _finish(mlflow, experiment, run_id, folder, lineage)


def log_bundle(mlflow: MlflowClient, use_case: str, folder: Path, lineage: Lineage) -> str:
    """Log a bundle that was made elsewhere, of which only its manifest tells. Gives back the run's id."""
    experiment = experiment_id(mlflow, use_case)
    manifest, digest = read_manifest(folder)
    known = _runs(mlflow, experiment, BUNDLE_DIGEST_TAG, digest)
    if known:
        return str(known[0].info.run_id)
    run_id = str(_begin(mlflow, experiment, manifest.candidate).info.run_id)
    mlflow.log_param(run_id, "candidate", manifest.candidate)
    return _finish(mlflow, experiment, run_id, folder, lineage)


def lineage_of(run: Run) -> Lineage:
    """Where the bundle of a run comes from, the run too."""
    lineage = Lineage.model_validate_json(run.data.tags[LINEAGE_TAG])
    return lineage.model_copy(update={"mlflow_run_id": run.info.run_id})


def _begin(mlflow: MlflowClient, experiment: str, name: str) -> Run:
    return mlflow.create_run(experiment, run_name=name, tags={BEGUN_BY_TAG: _checkout()})


def _checkout() -> str:
    place = f"{socket.gethostname()}:{state_folder().resolve()}"
    return hashlib.sha256(place.encode()).hexdigest()[:16]


def _finish(mlflow: MlflowClient, experiment: str, run_id: str, folder: Path, lineage: Lineage) -> str:
    """Add what every run has. If the same was logged elsewhere in the same moment, the first to end counts for both."""
    from mlflow.entities import Metric, RunTag

    manifest, digest = read_manifest(folder)
    timestamp = mlflow.get_run(run_id).info.start_time
    lineage = lineage.model_copy(update={"mlflow_run_id": None, "model_version": None})
    tags = {
        MODEL_SHA256_TAG: manifest.model_sha256,
        BUNDLE_DIGEST_TAG: digest,
        LINEAGE_TAG: lineage.model_dump_json(),
        "data_sha256": lineage.data_sha256 or "unknown",
    }
    if lineage.evaluated is not None:
        tags |= {key: str(value) for key, value in lineage.evaluated.model_dump().items()}
    mlflow.log_batch(
        run_id,
        metrics=[Metric(f"test/{key}", value, timestamp, 0) for key, value in manifest.figures.items()],
        tags=[RunTag(key, value) for key, value in tags.items()],
    )
    mlflow.log_artifacts(run_id, str(folder), "bundle")
    mlflow.set_terminated(run_id)
    first = str(_runs(mlflow, experiment, BUNDLE_DIGEST_TAG, digest)[0].info.run_id)
    if first != run_id:
        mlflow.delete_run(run_id)
    return first


def _runs(mlflow: MlflowClient, experiment: str, tag: str, value: str) -> list[Run]:
    """The finished runs with this tag, in the order in which they ended."""
    found = mlflow.search_runs([experiment], f"tags.{tag} = '{value}' and attributes.status = 'FINISHED'")
    return sorted(found, key=lambda run: (run.info.end_time, run.info.run_id))


def _history(paths: Paths) -> list[dict[str, float]]:
    """The network's losses by epoch."""
    with (paths.plots / "training.csv").open() as stream:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]


def _log_plots(mlflow: MlflowClient, run_id: str, use_case: UseCase, name: str, folder: Path) -> None:
    """Draw the pictures of one candidate. They are not outputs of the stages, which would run anew for a colour."""
    from portfolio.report import plots

    paths = Paths(use_case.name)
    test = load_split(use_case, "test")
    with TemporaryDirectory() as drawn:
        bundle = Bundle.open(folder)
        predicted = bundle.predict(test.inputs)
        answers = bundle.decider(predicted).answers
        plots.predictions(Path(drawn) / f"{name}.png", use_case.output, test.targets, predicted, answers)
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
