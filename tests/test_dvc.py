"""dvc.yaml says of each stage all that its result depends on: what it leaves out goes stale unseen."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from portfolio.contract.config import STUDIES, Config
from tests.conftest import ROOT

# Where things lie, how they are written and what a user is told: not what comes out.
PLUMBING = {"bundle", "config", "environment", "errors", "files", "paths", "store", "terminal"}
SOURCE = Path("src") / "portfolio"
USE_CASE = "src/portfolio/use_cases/${item.use_case}"

STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
STUDY: dict[str, Any] = yaml.safe_load((ROOT / "studies" / "dvc.yaml").read_text())["stages"]["study"]


def imported(module: Path) -> set[str]:
    """The names of the library's modules that a module imports."""
    tree = ast.parse((ROOT / module).read_text())
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    return {
        name
        for node in nodes
        if node.module is not None and (node.module == "portfolio" or node.module.startswith("portfolio."))
        for name in (
            [alias.name for alias in node.names] if node.module == "portfolio" else [node.module.split(".")[1]]
        )
    }


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_code_that_makes_its_result(stage: str) -> None:
    own = SOURCE / "stages" / f"{stage}.py"
    deps = set(STAGES[stage]["deps"])
    assert str(own) in deps
    for name in imported(own) - PLUMBING:
        assert str(SOURCE / f"{name}.py") in deps, f"{stage} uses {name}"
    # What every stage asks its use case: identity, inputs, target, the deciding metric.
    assert deps & {USE_CASE, f"{USE_CASE}/__init__.py"}, f"{stage} asks its use case"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_its_section_of_the_config(stage: str) -> None:
    known = {field.alias or name for name, field in Config.model_fields.items()} - {
        "use_case",
        "sha256",
        "collect",
    }
    stated = {key for entry in STAGES[stage].get("params", []) for keys in entry.values() for key in keys}
    assert stated <= known
    if stage in known:
        assert stage in stated


def test_a_study_depends_on_the_code_that_makes_its_result() -> None:
    used = imported(SOURCE / "studies.py") - PLUMBING
    assert {str(SOURCE / f"{name}.py") for name in [*used, "studies"]} <= set(STUDY["deps"])


def kept_by_git() -> list[Any]:
    return [
        entry
        for stage in [*STAGES.values(), STUDY]
        for entry in [*stage.get("outs", []), *stage.get("metrics", [])]
        if isinstance(entry, dict) and any(not options.get("cache", True) for options in entry.values())
    ]


def test_what_git_keeps_is_not_deleted_before_a_stage_runs() -> None:
    assert len(kept_by_git()) == 6
    for entry in kept_by_git():
        assert all(options["persist"] for options in entry.values()), entry


def test_dvc_knows_every_study() -> None:
    assert set(STUDY["matrix"]["name"]) == set(STUDIES)


def test_every_section_of_the_config_belongs_to_a_stage() -> None:
    stated = {
        key.split(".")[0]
        for stage in [*STAGES.values(), STUDY]
        for entry in stage.get("params", [])
        for keys in entry.values()
        for key in keys
    }
    # Collecting and tuning are no functions of files.
    for path in (ROOT / "configs").glob("*.yaml"):
        assert set(yaml.safe_load(path.read_text())) - {"collect", "tune"} <= stated
