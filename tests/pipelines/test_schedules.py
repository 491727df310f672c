"""The schedules on a real server of Prefect, where deployments are served again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from portfolio.core.environment import state_folder
from tests.workspace import SHAPES, TOY

SERVED_TWICE = f"""
import os
from pathlib import Path
import httpx
from portfolio.core.environment import local_environment
local_environment()
from pipelines.deployments import deployments
from pipelines.server import PrefectServer
from prefect.client.orchestration import get_client

def training():
    for one in deployments():
        if one.flow_name == "training":
            one.apply()
    return client.read_deployment_by_name("training/portfolio")

def shown(found):
    return sorted(one.slug for one in found.schedules)

server = PrefectServer(Path("prefect.log"))
server.start()
server.wait()
with get_client(sync_client=True) as client:
    found = training()
    print(*shown(found))
    added = [{{"schedule": {{"interval": 3600}}, "slug": "hourly"}}]
    httpx.post(f"{{os.environ['PREFECT_API_URL']}}/deployments/{{found.id}}/schedules", json=added).raise_for_status()
    Path("params.yaml").write_text("use_cases: [{TOY}]")
    print(*shown(training()))
"""


def test_a_use_case_that_is_removed_leaves_no_schedule(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that a person has added stays."""
    Path("params.yaml").write_text(f"use_cases: [{TOY}, {SHAPES}]")
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    environment = os.environ | {"PORTFOLIO_STATE": str(state_folder()), "PREFECT_HOME": str(workspace / "prefect")}
    result = subprocess.run(
        [sys.executable, "-c", SERVED_TWICE], env=environment, capture_output=True, text=True, timeout=200
    )
    assert result.stdout.splitlines() == [f"weekly-{SHAPES} weekly-{TOY}", f"hourly weekly-{TOY}"], result.stderr
