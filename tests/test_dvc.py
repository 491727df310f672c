"""dvc.yaml says of each stage all that its result depends on: what it leaves out goes stale unseen."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from portfolio.cli.provenance import LIBRARIES, LOCK, VERSIONS, locked_versions, named_libraries
from portfolio.contract.config import SECTIONS, STUDIES
from portfolio.core.errors import ConfigError
from tests.workspace import ROOT

SOURCE = "src/portfolio"
STUDY = "study"
STAGES: dict[str, Any] = {
    folder_stage: content
    for file in ("dvc.yaml", "studies/dvc.yaml")
    for folder_stage, content in yaml.safe_load((ROOT / file).read_text())["stages"].items()
}
USE_CASE = "use_cases/${item.use_case}"

# Follows the imports in the source folder that PYTHONPATH names, wherever in a module they stand.
FOLLOW = """
import grimp, json
graph = grimp.build_graph(
    "portfolio", include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
)
print(json.dumps({module: sorted(graph.find_upstream_modules(module)) for module in graph.modules}))
"""


def imports(source: Path) -> dict[str, set[str]]:
    """By module of the library, all that it imports, however indirectly."""
    result = subprocess.run(
        [sys.executable, "-c", FOLLOW],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=True,
    )
    return {module: set(reached) for module, reached in json.loads(result.stdout).items()}


@pytest.fixture(scope="module")
def reach() -> dict[str, set[str]]:
    return imports(ROOT / "src")


def begin(stage: str) -> str:
    return "portfolio.training.studies" if stage == STUDY else f"portfolio.stages.{stage}"


def reached_modules(stage: str, reach: dict[str, set[str]]) -> set[str]:
    """The library's own. Also what the contract offers to a use case, whose code no import names."""
    modules = {begin(stage)} | reach[begin(stage)]
    for module in [module for module in reach if module.startswith("portfolio.contract.")]:
        modules |= {module} | reach[module]
    return {name for name in modules if name.startswith("portfolio.")}


def dep_of(module: str, deps: list[str]) -> str | None:
    """The dep under which the module lies: its room, or itself."""
    path = f"src/{module.replace('.', '/')}"
    return next((dep for dep in deps if path == dep or f"{path}.py" == dep or path.startswith(f"{dep}/")), None)


def unnamed(stage: str, reach: dict[str, set[str]]) -> set[str]:
    """What a stage reaches and its deps do not name."""
    return {name for name in reached_modules(stage, reach) if dep_of(name, STAGES[stage]["deps"]) is None}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_code_that_it_reaches(stage: str, reach: dict[str, set[str]]) -> None:
    deps = STAGES[stage]["deps"]
    assert unnamed(stage, reach) == set()
    assert USE_CASE in deps


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_no_room_that_it_does_not_reach(stage: str, reach: dict[str, set[str]]) -> None:
    deps = [dep for dep in STAGES[stage]["deps"] if dep.startswith(SOURCE)]
    assert set(deps) == {dep_of(module, deps) for module in reached_modules(stage, reach)}


@pytest.mark.parametrize(
    ("module", "line", "stages"),
    [
        ("stages/train.py", "from portfolio.registry import tracking", {"train"}),
        ("stages/train.py", "def late() -> None:\n    import portfolio.report.charts", {"train"}),
        (
            "evaluation/metrics.py",
            "from portfolio.report.charts import Chart",
            {"baselines", "train", "evaluate", STUDY},
        ),
        ("contract/config.py", "from portfolio.data import dataset", {"configure"}),
    ],
)
def test_an_import_that_no_dep_names_is_found(tmp_path: Path, module: str, line: str, stages: set[str]) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / SOURCE / module).open("a") as stream:
        stream.write(f"\n{line}\n")
    reach = imports(tmp_path / "src")
    assert {stage for stage in STAGES if unnamed(stage, reach)} == stages


@pytest.mark.parametrize("stage", ["train", "evaluate"])
def test_a_colour_of_a_chart_trains_nothing_anew(stage: str, reach: dict[str, set[str]]) -> None:
    assert not any("report" in name or "registry" in name for name in reached_modules(stage, reach))


@cache
def distributions() -> dict[str, set[str]]:
    """By the name that is imported, those under which it is installed."""
    return {module: set(names) for module, names in metadata.packages_distributions().items()}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_versions_of_the_libraries_that_it_reaches(
    stage: str, reach: dict[str, set[str]]
) -> None:
    reached = {name for module in reach[begin(stage)] for name in distributions().get(module.partition(".")[0], ())}
    named = set(named_libraries(STAGES[stage]))
    assert reached & set(LIBRARIES) <= named <= set(LIBRARIES)
    # What it computes with.
    assert "scikit-learn" not in named or "scipy" in named


def test_the_versions_are_those_of_the_locks() -> None:
    stated = yaml.safe_load((ROOT / VERSIONS).read_text())
    project = (ROOT / "pyproject.toml").read_text()
    for lock in (LOCK, LOCK.with_name("dev.lock")):
        assert locked_versions((ROOT / lock).read_text(), project) == stated, f"{lock}: make lock"


def test_a_library_that_is_not_locked_is_named() -> None:
    lock = (ROOT / LOCK).read_text().replace("\nscikit-learn==", "\nother==")
    with pytest.raises(ConfigError, match=r"scikit-learn.*make lock"):
        locked_versions(lock, (ROOT / "pyproject.toml").read_text())


def stated_keys(stage: str) -> set[str]:
    """What a stage names of the config that `configure` has written."""
    config = "models/${item.use_case}/config.json"
    return {key for entry in STAGES[stage].get("params", []) for key in entry.get(config, [])}


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != STUDY])
def test_a_stage_depends_on_its_section_of_the_config(stage: str) -> None:
    stated = stated_keys(stage)
    assert stated <= set(SECTIONS)
    if stage in SECTIONS:
        assert stage in stated


def test_every_section_of_the_config_belongs_to_a_stage() -> None:
    # Neither tuning nor when to train again is a function of files.
    stated = {key.partition(".")[0] for stage in STAGES for key in stated_keys(stage)}
    assert set(SECTIONS) - {"tune", "retrain"} == stated


def test_dvc_knows_every_study() -> None:
    assert set(STAGES[STUDY]["matrix"]["name"]) == set(STUDIES)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_the_code_of_its_own_tree(stage: str) -> None:
    assert STAGES[stage]["cmd"].startswith("env PYTHONPATH=src:. portfolio ")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_comes_from_the_run_cache(stage: str) -> None:
    """DVC keeps no runs of a stage with `persist`, nor with `cache: false` on what is neither a metric nor a plot."""
    for kind in ("outs", "metrics", "plots"):
        for entry in STAGES[stage].get(kind, []):
            options = next(iter(entry.values())) if isinstance(entry, dict) else {}
            assert "persist" not in options
            assert kind != "outs" or "cache" not in options
