"""Tuning with Optuna: a study on disk, worker processes that try its trials, and a record of what was found.

A trial is one training of the network with other values; it is judged by the validation loss of its best epoch,
which is smoother than the value in yen of a few hundred rows. The test rows are not used. A killed study resumes.
"""

from __future__ import annotations

import json
import math
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portfolio.contract.config import Between, Changes, Config
from portfolio.contract.loading import load_use_case
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.environment import sqlite_address, state_folder
from portfolio.core.errors import ConfigError, PortfolioError
from portfolio.core.paths import Paths
from portfolio.core.sqlite import LOCKED, is_locked
from portfolio.core.terminal import counted_progress
from portfolio.data.dataset import data_sha256, load_split
from portfolio.registry import tracking

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

SEARCH = "search"
FROM_CONFIG = "as configured"
BEST_SHOWN = 5


def tune(use_case: UseCase, config: Config, workers: int) -> None:
    """Run the trials that are missing up to `tune.trials`, and write metrics/<use_case>/tuning.json.

    Raises ConfigError if the study on disk is of another search, or if the space names unknown keys.
    """
    from optuna.trial import TrialState

    search = _search(use_case, config)
    with files.alone(Paths(use_case.name).lock("tuning")):
        study = _open(use_case.name, search)
        if not study.trials:
            study.enqueue_trial(_current(config), user_attrs={FROM_CONFIG: True})
        for trial in study.get_trials(states=(TrialState.RUNNING,)):
            # We hold the lock, so the process that started this trial was killed.
            study.tell(trial.number, state=TrialState.FAIL)
            study.enqueue_trial(trial.params, user_attrs=trial.user_attrs)
        log = _Log(use_case, study)
        missing = config.tune.trials - len(_counted(study))
        with counted_progress() as progress:
            task = progress.add_task("trials", total=config.tune.trials, completed=config.tune.trials - max(missing, 0))
            for _ in _tried(use_case.name, config, search, workers, missing, config.train.seed + len(study.trials)):
                log.update()
                progress.update(task, advance=1, description=f"trials, best loss {_best_loss(study)}")
        log.update()
        _write_record(use_case, config, search, study)


def database(use_case: str) -> Path:
    return state_folder() / "tuning" / f"{use_case}.db"


def _search(use_case: UseCase, config: Config) -> dict[str, Any]:
    """What trials must share to be comparable: the space, the fixed values, and the data."""
    tuned = _space(config)
    fixed = {
        f"{section}.{key}": value
        for section in ("train", "network")
        for key, value in json.loads(json.dumps(config.at(section))).items()
        if f"{section}.{key}" not in tuned
    }
    return {"space": tuned, "fixed": fixed, "data_sha256": data_sha256(use_case)}


def _space(config: Config) -> dict[str, Any]:
    return {key: json.loads(values.model_dump_json()) for key, values in config.tune.space.items()}


def _open(use_case: str, search: dict[str, Any], seed: int = 0) -> Study:
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = database(use_case)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        study = optuna.create_study(
            storage=sqlite_address(path),
            study_name=use_case,
            load_if_exists=True,
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=3),
        )
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        if is_locked(error.__cause__ or error):
            raise PortfolioError(f"{path} is locked. {LOCKED}; then run the same again.") from error
        raise PortfolioError(f"{path} can't be read as a study. Move it away to start over.") from error
    found = study.user_attrs.get(SEARCH)
    if found is None:
        study.set_user_attr(SEARCH, search)
    elif found != search:
        differ = [*_differing(found["space"], search["space"]), *_differing(found["fixed"], search["fixed"])]
        if found["data_sha256"] != search["data_sha256"]:
            differ.append("data_sha256")
        raise ConfigError(
            f"The study in {path} is of another search: {', '.join(differ)} differ, so its trials can't be compared "
            "with new ones. Restore the old values, or move that file away to start over."
        )
    return study


def _differing(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))


def _current(config: Config) -> dict[str, Any]:
    """The config's own values, as a trial's parameters; those outside the space are left to the sampler."""
    found: dict[str, Any] = {}
    for key, values in config.tune.space.items():
        value = json.loads(json.dumps(config.at(key)))
        if isinstance(values, Between):
            if values.low <= value <= values.high:
                found[key] = value
        elif value in json.loads(json.dumps(values.choices)):
            found[key] = json.dumps(value)
    return found


def _tried(
    use_case: str, config: Config, search: dict[str, Any], workers: int, trials: int, seed: int
) -> Iterator[None]:
    """Yields after each trial. Each task is one trial, so a worker that dies loses only its own."""
    if trials <= 0:
        return
    # Spawned, because a fork of a process with torch's threads may hang.
    pool = ProcessPoolExecutor(min(workers, trials), multiprocessing.get_context("spawn"))
    try:
        tasks = [pool.submit(_try_one, use_case, config, search, workers, seed + number) for number in range(trials)]
        for task in as_completed(tasks):
            task.result()
            yield
    except BrokenProcessPool as error:
        raise PortfolioError(
            "A worker was killed, perhaps for lack of memory. Run the command again: finished trials are kept. To run "
            "fewer at once: --workers 1."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _try_one(use_case_name: str, config: Config, search: dict[str, Any], workers: int, seed: int) -> None:
    import torch

    if workers > 1:
        # With several workers, more threads than cores would wait for each other.
        torch.set_num_threads(1)
    use_case = load_use_case(use_case_name)
    study = _open(use_case_name, search, seed)
    study.optimize(lambda trial: _loss(trial, use_case, config), n_trials=1)


def _loss(trial: Trial, use_case: UseCase, config: Config) -> float:
    from optuna import TrialPruned

    from portfolio.training.network import fit_network

    pruned = False

    def on_epoch(epoch: int, loss: float) -> bool:
        nonlocal pruned
        trial.report(loss, epoch)
        pruned = trial.should_prune() or not math.isfinite(loss)
        return pruned

    changed = config.changed(_suggested(trial, config))
    fitted = fit_network(use_case, changed, load_split(use_case, "train"), load_split(use_case, "val"), on_epoch)
    if pruned:
        raise TrialPruned
    return fitted.history[fitted.best_epoch - 1]["val_loss"]


def _suggested(trial: Trial, config: Config) -> Changes:
    for key, values in config.tune.space.items():
        if isinstance(values, Between):
            trial.suggest_float(key, values.low, values.high, log=values.log)
        else:
            trial.suggest_categorical(key, [json.dumps(choice) for choice in values.choices])
    return _values(trial.params)


def _values(params: dict[str, Any]) -> Changes:
    """A trial's parameters as config values: Optuna holds choices as JSON, and numbers are rounded."""
    return {key: json.loads(v) if isinstance(v, str) else float(f"{v:.3g}") for key, v in params.items()}


def _counted(study: Study) -> list[FrozenTrial]:
    from optuna.trial import TrialState

    return study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))


def _best_loss(study: Study) -> str:
    from optuna.trial import TrialState

    return f"{study.best_value:.4g}" if study.get_trials(states=(TrialState.COMPLETE,)) else "none yet"


class _Log:
    """Trials as MLflow runs, nested in one run per study. What a killed run logged before stays."""

    @tracking.answering()
    def __init__(self, use_case: UseCase, study: Study) -> None:
        self._study = study
        self._mlflow = tracking.client()
        self._experiment = tracking.experiment_id(self._mlflow, use_case.name)
        self._parent = study.user_attrs.get("mlflow_run_id") or self._begin()
        nested = self._mlflow.search_runs(
            [self._experiment], f"tags.`mlflow.parentRunId` = '{self._parent}'", max_results=10_000
        )
        self._logged = {int(run.data.tags["trial"]) for run in nested if run.info.status != "RUNNING"}

    def _begin(self) -> str:
        run = self._mlflow.create_run(self._experiment, run_name="tuning")
        self._study.set_user_attr("mlflow_run_id", run.info.run_id)
        return str(run.info.run_id)

    @tracking.answering()
    def update(self) -> None:
        """Log the trials that have ended since the last call."""
        from mlflow.entities import Metric, Param

        for trial in _counted(self._study):
            if trial.number in self._logged:
                continue
            assert trial.datetime_start is not None
            tags = {"mlflow.parentRunId": self._parent, "trial": str(trial.number), "state": trial.state.name}
            begun = int(trial.datetime_start.timestamp() * 1000)
            run = self._mlflow.create_run(self._experiment, begun, tags, run_name=f"trial {trial.number}")
            metrics = [Metric("val/loss", loss, begun, epoch) for epoch, loss in trial.intermediate_values.items()]
            params = [Param(key, str(value)) for key, value in _values(trial.params).items()]
            self._mlflow.log_batch(run.info.run_id, metrics, params)
            self._mlflow.set_terminated(run.info.run_id)
            self._logged.add(trial.number)
        self._mlflow.set_terminated(self._parent)


def _write_record(use_case: UseCase, config: Config, search: dict[str, Any], study: Study) -> None:
    """The search, its best trials, and for comparison the result of the config's own values."""
    from optuna.importance import get_param_importances
    from optuna.trial import TrialState

    complete = sorted(study.get_trials(states=(TrialState.COMPLETE,)), key=lambda trial: trial.value or math.inf)
    if not complete:
        raise PortfolioError("No trial was completed. Widen the space, or raise tune.trials.")
    told = [trial for trial in complete if trial.user_attrs.get(FROM_CONFIG)]
    seconds = [trial.duration.total_seconds() for trial in _counted(study) if trial.duration]
    record = {
        **search,
        "trials": len(_counted(study)),
        "pruned": len(_counted(study)) - len(complete),
        "train_seconds": round(sum(seconds), 1),
        "metric": "val_loss",
        "as_configured": _described(told[0]) if told else None,
        "best": [_described(trial) for trial in complete[:BEST_SHOWN]],
        "importance": get_param_importances(study) if len(complete) > BEST_SHOWN else {},
    }
    files.write_text(Paths(use_case.name).metrics("tuning"), json.dumps(record, indent=1) + "\n")


def _described(trial: FrozenTrial) -> dict[str, Any]:
    epochs = len(trial.intermediate_values)
    return {"trial": trial.number, "val_loss": trial.value, "epochs": epochs, "values": _values(trial.params)}


def best_values(config: Config) -> Changes:
    """The values of the best trial on record. Raises ConfigError if there is no record, or one of another space."""
    from portfolio.core.files import read_metrics

    path = Paths(config.use_case).metrics("tuning")
    remedy = f"portfolio tune {config.use_case}"
    if not path.exists():
        raise ConfigError(f"{path} is missing: nothing has been tuned yet. Run first: {remedy}")
    record = read_metrics(path, remedy)
    differ = _differing(record["space"], _space(config))
    if differ:
        raise ConfigError(f"{path} is of another search: {', '.join(differ)} differ. Tune again: {remedy}")
    found: Changes = record["best"][0]["values"]
    return found


def tuned_config(path: Path, values: Changes) -> str:
    """The text of a config file with other values; comments and layout stay. Values left to defaults are added."""
    import io

    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    yaml = YAML()
    yaml.width = 1000
    yaml.preserve_quotes = True
    # Other YAML readers take 1e-05 for a string.
    yaml.representer.add_representer(
        float, lambda representer, value: representer.represent_scalar("tag:yaml.org,2002:float", _decimal(value))
    )
    content = yaml.load(path.read_text(encoding="utf-8"))
    for key, value in values.items():
        *sections, last = key.split(".")
        section = content
        for name in sections:
            if section.get(name) is None:
                section[name] = CommentedMap()
            section = section[name]
        if isinstance(value, list):
            value = CommentedSeq(value)
            value.fa.set_flow_style()
        if last in section:
            section[last] = value
        else:
            # First, not last: blank lines and comments after a section's last key belong to the next section.
            section.insert(0, last, value)
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()


def _decimal(value: float) -> str:
    import numpy as np

    return np.format_float_positional(value, trim="0")
