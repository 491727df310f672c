"""The training flow as Prefect handles it; the loop's test runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cloudpickle
import pytest
from prefect.types.names import raise_on_name_alphanumeric_dashes_only

from pipelines.training import artifact_key, training
from portfolio.core.terminal import step, steps_shown
from tests.workspace import ROOT

# What Prefect does in the process of a flow that is served.
LOAD = """
import sys, cloudpickle
from pathlib import Path
flow = cloudpickle.loads(Path(sys.argv[1]).read_bytes())
print(flow.name, sorted(flow.parameters.properties))
"""


def test_the_flow_can_be_handed_to_another_process(tmp_path: Path) -> None:
    """As `training.serve(...)` does for each run."""
    pickled = tmp_path / "flow"
    pickled.write_bytes(cloudpickle.dumps(training))
    command = [sys.executable, "-c", LOAD, str(pickled)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert told == "training ['asked_by', 'feedback', 'use_case']\n"


@pytest.mark.parametrize("use_case", ["melons", "bank_marketing", "Bank2"])
def test_prefect_takes_the_key_of_an_artifact(use_case: str) -> None:
    raise_on_name_alphanumeric_dashes_only(artifact_key(use_case))
    with pytest.raises(ValueError, match="dashes"):
        raise_on_name_alphanumeric_dashes_only("training-bank_marketing")


def test_each_run_has_its_own_steps(capsys: pytest.CaptureFixture[str]) -> None:
    with steps_shown() as first, step("collect") as shown:
        shown.result = "2 new batches"
    with steps_shown() as second, step("version"):
        pass
    assert (list(first.seconds), list(second.seconds)) == (["collect"], ["version"])
    assert "2 new batches" in capsys.readouterr().out
