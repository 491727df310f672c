"""Tuning: real studies on disk, tried by real worker processes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from portfolio.cli.main import app
from portfolio.contract.config import config_path
from portfolio.contract.loading import load_use_case
from portfolio.core.errors import ConfigError, DataError, PortfolioError
from portfolio.core.paths import Paths
from portfolio.training import tuning
from tests.workspace import ALL_USE_CASES, edit_config

RATE = "train.learning_rate"
HIDDEN = "network.hidden"
SPACE = {RATE: {"low": 0.001, "high": 0.01, "log": True}, HIDDEN: {"choices": [4, 8]}}


@pytest.fixture
def ready(built: Callable[[str], Path], empty_mlflow: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = built("toy")
    (folder / ".state" / "mlflow").mkdir()
    shutil.copyfile(empty_mlflow, folder / ".state" / "mlflow" / "mlflow.db")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    changes = {"network": {"hidden": 4}, "train": {"max_epochs": 2, "learning_rate": 0.004}}
    edit_config("toy", tune={"trials": 2, "space": SPACE}, **changes)
    return folder


def tune() -> dict[str, Any]:
    result = CliRunner().invoke(app, ["tune", "toy", "--workers", "1"])
    if result.exception:
        raise result.exception
    record: dict[str, Any] = json.loads(Paths("toy").metrics("tuning").read_text())
    return record


def test_a_study_begins_with_the_config_goes_on_and_is_logged(ready: Path) -> None:
    from portfolio.registry.tracking import client

    first = tune()
    assert first["trials"] == 2
    assert first["as_configured"]["values"] == {RATE: 0.004, HIDDEN: 4}
    assert first["best"][0]["val_loss"] == min(trial["val_loss"] for trial in first["best"])
    assert tune() == first
    # One that was killed while a trial ran has left that behind.
    study = tuning._open("toy", first_search(first))
    cut_off = study.ask()
    cut_off.suggest_float(RATE, 0.001, 0.01, log=True)
    cut_off.suggest_categorical(HIDDEN, ["4", "8"])
    edit_config("toy", tune={"trials": 3})
    assert tune()["trials"] == 3
    tried = study.get_trials(deepcopy=False)
    assert tried[-1].params == cut_off.params
    assert tried[-1].state.is_finished()
    mlflow = client()
    experiment = mlflow.get_experiment_by_name("toy")
    assert experiment is not None
    runs = mlflow.search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if run.info.run_name == "tuning"]
    nested = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(nested) == 3
    assert all({RATE, HIDDEN} == set(run.data.params) for run in nested)
    assert all("val/loss" in run.data.metrics for run in nested)


def first_search(record: dict[str, Any]) -> dict[str, Any]:
    return {key: record[key] for key in ("space", "fixed", "data_sha256")}


def test_a_study_of_another_search_is_refused_and_kept(ready: Path) -> None:
    search = tuning._search(load_use_case("toy"), load_use_case("toy").config())
    tuning._open("toy", search).enqueue_trial({RATE: 0.002, HIDDEN: "8"})
    edit_config("toy", tune={"space": {**SPACE, RATE: {"low": 0.001, "high": 0.1}}}, train={"batch_size": 16})
    with pytest.raises(ConfigError, match=r"train\.learning_rate, train\.batch_size differ.*move that file away"):
        tune()
    assert len(tuning._open("toy", search).trials) == 1
    assert not Paths("toy").metrics("tuning").exists()


@pytest.mark.parametrize(
    ("space", "why"),
    [
        ({"train.learning": {"low": 0.1, "high": 0.2}}, "no key 'train.learning'"),
        ({RATE: {"low": 0.1, "high": 2}}, "train.learning_rate: must be less than or equal to 1"),
        ({RATE: {"low": 0.2, "high": 0.1}}, "must be less than high"),
        ({RATE: {"low": 0, "high": 0.1, "log": True}}, "must be greater than 0"),
        ({HIDDEN: {"choices": [4]}}, "at least 2 items"),
        ({}, "at least 1 item"),
    ],
)
def test_a_space_that_can_not_be_searched_is_refused(ready: Path, space: dict[str, Any], why: str) -> None:
    edit_config("toy", tune={"space": space})
    with pytest.raises(ConfigError, match=why):
        tune()
    assert not tuning.database("toy").exists()


def test_a_damaged_study_is_named_with_the_remedy(workspace: Path) -> None:
    path = tuning.database("toy")
    path.parent.mkdir(parents=True)
    path.write_text("no database" * 1000)
    with pytest.raises(PortfolioError, match=r"toy\.db can't be read.*Move it away"):
        tuning._open("toy", {})


@pytest.fixture
def tuned(workspace: Path) -> Path:
    """A workspace with a record whose best trial differs from the config."""
    values = {RATE: 0.0012, HIDDEN: 6, "train.weight_decay": 0.00001}
    record = Paths("toy").metrics("tuning")
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"space": tuning._space(load_use_case("toy").config()), "best": [{"values": values}]}))
    return config_path("toy")


def test_the_best_is_written_into_the_config_once_the_difference_was_seen(tuned: Path) -> None:
    before = tuned.read_text()
    refused = CliRunner().invoke(app, ["tune-apply", "toy"], input="n\n")
    assert f"-  learning_rate: {load_use_case('toy').config().train.learning_rate}" in refused.output
    assert "+  learning_rate: 0.0012" in refused.output
    assert tuned.read_text() == before
    result = CliRunner().invoke(app, ["tune-apply", "toy", "--yes"])
    assert result.exit_code == 0, result.output
    config = load_use_case("toy").config()
    assert (config.train.learning_rate, config.train.weight_decay) == (0.0012, 0.00001)
    assert config.network["hidden"] == 6
    # YAML readers agree that it is a number.
    assert yaml.safe_load(tuned.read_text())["train"]["weight_decay"] == 0.00001
    changed = [line for line in tuned.read_text().splitlines() if line not in before.splitlines()]
    assert sorted(changed) == ["  hidden: 6", "  learning_rate: 0.0012", "  weight_decay: 0.00001", "network:"]
    assert "already has the best trial's values" in CliRunner().invoke(app, ["tune-apply", "toy"]).output


@pytest.mark.parametrize("use_case", ALL_USE_CASES)
def test_a_config_without_changes_is_written_as_it_was(workspace: Path, use_case: str) -> None:
    path = config_path(use_case)
    assert tuning.tuned_config(path, {}) == path.read_text()


def test_without_a_record_there_is_nothing_to_apply(workspace: Path) -> None:
    with pytest.raises(ConfigError, match="portfolio tune toy"):
        tuning.best_values(load_use_case("toy").config())


def test_a_damaged_record_is_named_with_the_remedy(tuned: Path) -> None:
    Paths("toy").metrics("tuning").write_text('{"space": ')
    with pytest.raises(DataError, match=r"tuning\.json is damaged .*portfolio tune toy"):
        tuning.best_values(load_use_case("toy").config())


def test_a_record_of_another_space_is_not_applied(tuned: Path) -> None:
    edit_config("toy", tune={"space": SPACE})
    before = tuned.read_text()
    result = CliRunner().invoke(app, ["tune-apply", "toy", "--yes"])
    assert isinstance(result.exception, ConfigError)
    assert "train.learning_rate differ. Tune again: portfolio tune toy" in str(result.exception)
    assert tuned.read_text() == before
