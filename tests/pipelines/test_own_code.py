"""DVC with the toy use case in copies of this checkout, whose own environment is active in each of them.

What runs is the code of the copy, and what DVC records is true.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from portfolio.cli.provenance import VERSIONS
from tests.checkouts import checkout
from tests.workspace import ROOT

USE_CASES = Path("use_cases")
BESIDE = Path(sys.executable).parent
STAGE = ("env", "PYTHONPATH=src:.", "portfolio", "stage")


def call(folder: Path, *command: str, fails: bool = False) -> str:
    """What a command says, as given by somebody who has activated the environment."""
    dropped = ("PORTFOLIO_STATE", "PORTFOLIO_STAGE_LOGS", "PYTHONPATH")
    environment = {key: value for key, value in os.environ.items() if key not in dropped}
    environment["PATH"] = f"{BESIDE}{os.pathsep}{environment['PATH']}"
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert (result.returncode != 0) == fails, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout + result.stderr


def repro(folder: Path, target: str) -> list[str]:
    """The names of the stages whose commands DVC has run."""
    return re.findall(r"Running stage '([\w-]+)@toy'", call(folder, "dvc", "repro", target))


def commit(folder: Path) -> None:
    call(folder, "git", "add", "-A")
    call(folder, "git", "-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "-qm", "work")


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the toy use case alone, collected by the command line and committed. Not to be changed."""
    folder = checkout(tmp_path_factory.mktemp("collected") / "clone")
    (folder / "params.yaml").write_text("use_cases: [toy]\n")
    for lock in folder.rglob("dvc.lock"):
        lock.unlink()
    call(folder, "env", "PYTHONPATH=src:.", "portfolio", "collect", "toy")
    commit(folder)
    return folder


@pytest.fixture
def clone(collected: Path, tmp_path: Path) -> Path:
    return shutil.copytree(collected, tmp_path / "clone", symlinks=True)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def regularize(folder: Path) -> None:
    """An edit of the use case's code that shows in what is trained."""
    estimator = 'super().candidates()["logistic_regression"]'
    edit(folder / USE_CASES / "toy" / "use_case.py", estimator, f"{estimator}.set_params(C=0.5)")


def trained_with(folder: Path) -> str:
    parameters = folder / "models" / "toy" / "baselines" / "logistic_regression" / "parameters.json"
    return str(json.loads(parameters.read_text())["C"])


def test_a_queued_experiment_runs_its_own_code(clone: Path) -> None:
    """What it leaves in DVC's run cache is what the same code makes later."""
    regularize(clone)
    call(clone, "dvc", "exp", "run", "--queue", "baselines@toy")
    call(clone, "git", "checkout", "-q", str(USE_CASES))
    call(clone, "dvc", "exp", "run", "--run-all")
    assert "baselines" in repro(clone, "baselines@toy")
    assert trained_with(clone) == "1.0"
    regularize(clone)
    assert repro(clone, "baselines@toy") == []
    assert trained_with(clone) == "0.5"


def test_a_worktree_runs_its_own_code(clone: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    call(clone, "git", "worktree", "add", "-q", str(tree))
    call(tree, "env", "PYTHONPATH=src:.", "portfolio", "collect", "toy")
    regularize(tree)
    repro(tree, "baselines@toy")
    assert trained_with(tree) == "0.5"


def test_a_stage_of_another_tree_is_refused(clone: Path) -> None:
    told = call(clone, "portfolio", "stage", "configure", "toy", fails=True)
    assert f"The code that runs is {ROOT / 'src' / 'portfolio'}" in told
    assert "PYTHONPATH=src:." in told
    assert "Traceback" not in told


def test_another_version_of_a_library_is_refused_where_a_stage_depends_on_it(clone: Path) -> None:
    path = clone / VERSIONS
    locked = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**locked, "torch": "1.0.0", "pandera": "0.1.0"}))
    told = call(clone, *STAGE, "validate", "toy", fails=True)
    assert re.search(r"pandera 0\.\S+ \(locked: 0\.1\.0\)", told)
    assert "make setup" in told
    assert "torch" not in told
    assert "Traceback" not in told
    path.write_text(yaml.safe_dump({**locked, "torch": "1.0.0"}))
    call(clone, *STAGE, "configure", "toy")


def test_a_config_that_has_changed_since_is_refused(clone: Path) -> None:
    call(clone, *STAGE, "configure", "toy")
    edit(clone / "configs" / "toy.yaml", "collect:\n", "prepare: {test_fraction: 0.3}\n\ncollect:\n")
    told = call(clone, *STAGE, "validate", "toy", fails=True)
    assert "dvc repro configure@toy" in told
    assert "Traceback" not in told
    call(clone, *STAGE, "configure", "toy")
    call(clone, *STAGE, "validate", "toy")


def test_what_was_run_once_comes_back_whole(looped_once: Callable[[], Path], tmp_path: Path) -> None:
    """Figures too, byte for byte."""
    clone = Path(shutil.copytree(looped_once(), tmp_path / "clone", symlinks=True))

    def figures() -> dict[str, bytes]:
        folders = (clone / "metrics" / "toy", clone / "plots" / "toy")
        return {path.name: path.read_bytes() for folder in folders for path in folder.iterdir()}

    config = clone / "configs" / "toy.yaml"
    assert repro(clone, "evaluate@toy") == []
    first = figures()
    expected = ("validate", "prepare", "train", "evaluate", "evidence", "verdict", "costs")
    assert first.keys() == {*(f"{name}.json" for name in expected), "training.csv"}
    # The prices, and a comment.
    edit(config, "error_yen: 50", "error_yen: 40  # less")
    assert repro(clone, "evaluate@toy") == ["configure", "evaluate"]
    edit(config, "max_epochs: 3", "max_epochs: 2")
    assert repro(clone, "evaluate@toy") == ["configure", "train", "evaluate"]
    assert json.loads(figures()["train.json"])["epochs"] == 2
    call(clone, "git", "checkout", "-q", "configs")
    assert repro(clone, "evaluate@toy") == []
    assert figures() == first
