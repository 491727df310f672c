"""What holds for every flow, and for the containers that run them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from prefect import Flow
from prefect.exceptions import ParameterTypeError

from pipelines.approval import approval
from pipelines.monitoring import monitoring
from pipelines.pruning import pruning
from pipelines.scoring import scoring
from pipelines.training import training
from tests.workspace import ROOT


@pytest.mark.parametrize("flow", [approval, monitoring, pruning, scoring, training], ids=lambda flow: flow.name)
def test_a_run_that_hangs_does_not_block_the_next_for_ever(flow: Flow[..., Any]) -> None:
    assert flow.timeout_seconds


def test_an_approval_has_time_to_wait_for_a_training_that_is_under_way() -> None:
    assert (approval.timeout_seconds or 0) > (training.timeout_seconds or 0)


@pytest.mark.parametrize("service", ["training", "deployments"])
def test_a_container_that_trains_has_the_store_and_the_prediction_log(service: str) -> None:
    volumes = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][service]["volumes"]
    assert volumes == ["workspace:/workspace", "store:/workspace/.state/store", "log:/workspace/.state/log"]


@pytest.mark.parametrize("days", [-1, 1e12, float("inf"), float("nan")])
def test_a_number_of_days_that_no_calendar_has_is_refused(days: float) -> None:
    with pytest.raises(ParameterTypeError, match="days"):
        pruning.validate_parameters({"days": days})
