"""The workflows, and what they call: in somebody's copy they do nothing unasked, and name no use case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from portfolio.contract.loading import use_case_names
from portfolio.core.paths import ANSWERS
from tests.workspace import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
SWITCH = "vars.TRAIN_ON_SCHEDULE == 'true'"


def read(path: Path) -> dict[str, Any]:
    # YAML 1.1 takes the key `on` for a boolean.
    return {"on" if key is True else key: value for key, value in yaml.safe_load(path.read_text()).items()}


of_the_template = pytest.mark.skipif((ROOT / ANSWERS).exists(), reason="a project of one's own may be without")


@of_the_template
def test_there_are_workflows_and_one_runs_on_a_schedule() -> None:
    assert any("schedule" in read(path)["on"] for path in WORKFLOWS)


@of_the_template
def test_a_change_is_checked_by_the_targets_that_a_developer_runs() -> None:
    """Also the documentation: its site is built, which fails where a link leads nowhere."""
    matrix = read(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["make"]["strategy"]["matrix"]
    assert matrix["target"] == ["check", "docs", "test", "test-compose", "test-copy"]
    assert "make docs" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_schedule_does_nothing_until_the_owner_switches_it_on(path: Path) -> None:
    workflow = read(path)
    if "schedule" not in workflow["on"]:
        return
    for job in workflow["jobs"].values():
        assert job["if"] == f"github.event_name != 'schedule' || {SWITCH}"
    assert "TRAIN_ON_SCHEDULE" in (ROOT / "docs" / "docker.md").read_text()


@pytest.mark.parametrize(
    "path",
    [
        *WORKFLOWS,
        *(ROOT / name for name in ("Makefile", "deploy/image.mk", "docker-compose.yml", "serving/Dockerfile")),
    ],
    ids=lambda path: path.name,
)
def test_no_use_case_is_named(path: Path) -> None:
    text = path.read_text()
    assert [name for name in use_case_names() if name in text] == []


def test_paths_of_one_machine_stand_in_ci_run_alone() -> None:
    """`.ci/run` passes them on, by variables that anyone can set."""
    for path in (*WORKFLOWS, ROOT / "Makefile", ROOT / "tests" / "conftest.py", ROOT / "docker-compose.yml"):
        assert "shared" not in path.read_text(), path
