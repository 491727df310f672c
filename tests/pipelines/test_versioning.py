"""DVC in process, in a real repository."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines import versioning
from portfolio.errors import PortfolioError
from portfolio.paths import Paths
from portfolio.use_case import use_case_names
from tests.conftest import ROOT, checkout, collect


@pytest.fixture(scope="module")
def repository_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkout(tmp_path_factory.mktemp("repository"))


@pytest.fixture
def repository(repository_once: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout in which nothing has run, as the current folder."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("PORTFOLIO_STATE", raising=False)
    with chdir(repository_once):
        yield repository_once
        subprocess.run(["git", "clean", "-qfdx", "-e", ".dvc"], check=True)


def stages() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])


def paths(entries: list[Any]) -> set[str]:
    return {next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries}


def needs(name: str) -> set[str]:
    """The stages that make what this one depends on, as dvc.yaml says it."""
    wanted = paths(stages()[name]["deps"])
    made = {
        other: paths([*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])])
        for other, stage in stages().items()
    }
    return {other for other, outs in made.items() if outs & wanted}


@pytest.mark.parametrize("use_case", use_case_names())
def test_the_stage_graph_is_that_of_dvc_yaml(repository: Path, use_case: str) -> None:
    graph = versioning.stage_graph(use_case)
    assert set(graph) == {f"{name}@{use_case}" for name in stages()}
    for name in stages():
        assert set(graph[f"{name}@{use_case}"]) == {f"{need}@{use_case}" for need in needs(name)}
    assert needs("evaluate") == {"prepare", "baselines", "train"}


@pytest.mark.parametrize("use_case", use_case_names())
def test_every_stage_comes_after_those_it_needs(repository: Path, use_case: str) -> None:
    seen: set[str] = set()
    for address, wanted in versioning.stage_graph(use_case).items():
        assert set(wanted) <= seen
        seen.add(address)


def test_a_stage_runs_once_until_something_changes(repository: Path) -> None:
    collect("digits")
    versioning.add(Paths("digits").batches)
    pointer = Paths("digits").batches.with_suffix(".dvc")
    assert yaml.safe_load(pointer.read_text())["outs"][0]["nfiles"] == 24
    assert versioning.reproduce("validate@digits") is True
    assert len(list(Paths("digits").clean.iterdir())) == 24
    assert versioning.reproduce("validate@digits") is False


def test_a_failing_stage_is_a_portfolio_error_that_names_it(repository: Path) -> None:
    Paths("digits").batches.mkdir(parents=True)
    (Paths("digits").batches / "2026-01-05.parquet").write_bytes(b"cut off")
    with pytest.raises(PortfolioError, match="validate@digits"):
        versioning.reproduce("validate@digits")
    assert not Path("dvc.lock").exists()


def test_a_stage_before_anything_was_collected_is_a_portfolio_error(repository: Path) -> None:
    with pytest.raises(PortfolioError, match="validate@digits"):
        versioning.reproduce("validate@digits")
