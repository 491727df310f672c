"""What holds for the containers that run flows."""

from __future__ import annotations

import pytest
import yaml

from tests.workspace import ROOT


@pytest.mark.parametrize("service", ["training", "deployments"])
def test_a_container_that_trains_has_the_store_and_the_prediction_log(service: str) -> None:
    volumes = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][service]["volumes"]
    assert volumes == ["workspace:/workspace", "store:/workspace/.state/store", "log:/workspace/.state/log"]
