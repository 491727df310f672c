"""The flows that go through the prediction logs of all use cases: what is wrong with one keeps no other waiting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

import pipelines.monitoring
from pipelines.monitoring import monitoring
from pipelines.pruning import pruning
from portfolio.core.environment import state_folder
from portfolio.core.errors import ConfigError, DataError
from portfolio.monitoring.prediction_log.log import PredictionLog
from tests.monitoring.answered import Answered, address, bundle_in_store
from tests.workspace import SHAPES, TOY

OLD = "0" * 32


@pytest.fixture
def answered(workspace: Path, tmp_path: Path) -> Iterator[Answered]:
    log = Answered(bundle_in_store(tmp_path / "bundle"))
    log.add([(1.0, "green")], [], request_id=OLD)
    yield log
    log.close()


@pytest.fixture
def damaged(workspace: Path) -> Path:
    """The log of a use case that comes before the toy is none."""
    Path("params.yaml").write_text(f"use_cases: [{SHAPES}, {TOY}]")
    path = state_folder() / "log" / f"{SHAPES}.db"
    path.write_bytes(b"no database at all, but long enough")
    return path


def test_a_log_that_is_damaged_keeps_no_other_from_being_pruned(answered: Answered, damaged: Path) -> None:
    with disable_run_logger(), pytest.raises(DataError, match=f"{damaged} is damaged.*Move it away"):
        pruning.fn(days=1)
    log = PredictionLog(address())
    assert log.answers([OLD]) == {}
    log.close()


def test_the_monitor_names_a_log_that_is_damaged(
    answered: Answered, damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As tasks, they would be tried again after a while.
    for name in ("look", "ask"):
        monkeypatch.setattr(f"pipelines.monitoring.{name}", getattr(pipelines.monitoring, name).fn)
    with disable_run_logger(), pytest.raises(DataError, match=f"{damaged} is damaged.*Move it away"):
        monitoring.fn()


def test_a_use_case_that_is_not_there_is_not_taken_for_one_without_answers(workspace: Path) -> None:
    with disable_run_logger(), pytest.raises(ConfigError, match=r"There is no use case 'tyo'\. Did you mean 'toy'"):
        monitoring.fn("tyo")
