"""The scoring flow, as Prefect runs it, in a process of its own: Prefect's client leaves connections to its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl

from portfolio.bundle.store import Store
from portfolio.core.environment import state_folder
from tests.tiny import publish
from tests.workspace import ROOT, TOY

SCRIPT = """
import json, sys
from portfolio.core.environment import local_environment, state_folder
local_environment()
from pipelines.server import PrefectServer
server = PrefectServer(state_folder() / "prefect.log")
server.start()
server.wait()
from prefect.artifacts import Artifact
from pipelines.scoring import scoring
with server.flow_settings():
    found = scoring(*sys.argv[1:])
artifact = Artifact.get("scoring-toy")
print(json.dumps([found.rows, found.rejected, str(artifact.data)]))
"""


def test_the_flow_writes_the_output_and_tells_of_it(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path / "bundle", version=2)
    pl.DataFrame({"pixels": [[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0], [0.0]]}).write_parquet(tmp_path / "in.parquet")
    environment = {key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"}
    environment["PORTFOLIO_STATE"] = str(state_folder())
    command = [sys.executable, "-c", SCRIPT, TOY, str(tmp_path / "in.parquet"), str(tmp_path / "out.csv")]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr[-3000:]
    rows, rejected, artifact = json.loads(result.stdout.splitlines()[-1])
    assert (rows, rejected) == (2, 1)
    assert pl.read_csv(tmp_path / "out.csv")["class"].to_list() == ["right", "left"]
    assert "answered: 2 rows" in artifact
