"""What one person has trained, another one gets from git and a DVC remote: the same data, bundles and champion."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from serving.settings import Settings
from tests.checkouts import committed
from tests.workspace import TOY, edit_config, stage_names

# `make pull`.
PULL = ("dvc", "pull", "--allow-missing", "-q")
BESIDE = Path(sys.executable).parent


def call(folder: Path, *command: str, **more: str) -> str:
    """What a command says, given in a checkout by somebody who has activated the environment."""
    dropped = ("PORTFOLIO_STATE", "PREFECT_API_URL", "MLFLOW_TRACKING_URI", "PYTHONPATH", "PORTFOLIO_STAGE_LOGS")
    environment = {key: value for key, value in os.environ.items() if key not in dropped} | more
    # The code of this checkout, as its own environment would have it.
    environment |= {"PATH": f"{BESIDE}{os.pathsep}{environment['PATH']}", "PYTHONPATH": f"{folder / 'src'}:{folder}"}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=400)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


def clone(source: Path, target: Path) -> Path:
    subprocess.run(["git", "clone", "-q", str(source), str(target)], check=True)
    return target


def dirt(folder: Path) -> str:
    return call(folder, "git", "status", "--porcelain")


def champion(folder: Path) -> str:
    return str(json.loads((folder / ".state/store/toy/champion.json").read_text())["digest"])


@pytest.fixture(scope="module")
def author(looped_once: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which one of several use cases was trained, whose last retraining the gate refused; pushed.

    The lock file also names what the template's authors have made of others, which no remote has.
    """
    folder = tmp_path_factory.mktemp("author") / "work"
    shutil.copytree(looped_once(), folder, symlinks=True)
    with chdir(folder):
        committed(folder)
        # The same again with fewer epochs can't be worth more by more than noise.
        edit_config(TOY, train={"max_epochs": 2})
        call(folder, "portfolio", "run", TOY)
    call(folder, "dvc", "remote", "add", "--default", "shared", str(folder.parent / "remote"))
    call(folder, "dvc", "push", "-q")
    return committed(folder)


@pytest.fixture(scope="module")
def colleague(author: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of it, which has pulled."""
    folder = clone(author, tmp_path_factory.mktemp("colleague") / "work")
    call(folder, *PULL)
    return folder


def test_a_colleague_gets_the_same_champion(author: Path, colleague: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("data/toy/raw/batches", "data/toy/splits", "models/toy", "champions/toy"):
        kept = {path.relative_to(author): path.read_bytes() for path in (author / name).rglob("*") if path.is_file()}
        assert kept == {
            path.relative_to(colleague): path.read_bytes() for path in (colleague / name).rglob("*") if path.is_file()
        }
    told = call(colleague, "portfolio", "run", TOY)
    assert champion(colleague) == champion(author)
    assert dirt(colleague) == ""
    # Nothing was trained or judged.
    assert told.count("nothing has changed") >= 6
    assert json.loads((colleague / "metrics/toy/verdict.json").read_text())["digest"][:12] in call(
        colleague, "portfolio", "models", TOY, COLUMNS="200"
    )
    monkeypatch.setenv("PORTFOLIO_STATE", str(colleague / ".state"))
    monkeypatch.setenv("PORTFOLIO_USE_CASE", TOY)
    with TestClient(create_app(Settings())) as client:
        assert client.get("/model").json()["digest"] == champion(author)


def test_two_runs_at_once_take_turns_and_with_nothing_new_change_nothing(author: Path) -> None:
    def files() -> dict[str, int]:
        """When each file was written last, but for logs, Prefect's and DVC's own notes."""
        folders = ("metrics", "models", "champions", "reports", "plots", "data", ".state/store")
        paths = [path for name in folders for path in (author / name).rglob("*") if path.is_file()]
        found = {str(path.relative_to(author)): path.stat().st_mtime_ns for path in (*paths, author / "dvc.lock")}
        return {name: time for name, time in found.items() if not name.endswith(".lock") or name == "dvc.lock"}

    before = files()
    environment = os.environ | {"PATH": f"{BESIDE}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"PYTHONPATH": f"{author / 'src'}:{author}", "PORTFOLIO_STATE": str(author / ".state")}
    runs = [
        subprocess.Popen(
            ["portfolio", "run", TOY],
            cwd=author,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [run.communicate(timeout=400) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert sum(f"another run of '{TOY}' is under way: waiting for process" in errors for _, errors in said) == 1
    for told, _ in said:
        assert told.count("nothing has changed") == len(stage_names())
    assert files() == before
    assert dirt(author) == ""


def test_who_trains_everything_anew_gets_the_same_too(author: Path, tmp_path: Path) -> None:
    """Without the remote, on the same kind of machine."""
    work = clone(author, tmp_path / "work")
    shutil.copytree(author / "champions", work / "champions", dirs_exist_ok=True)
    call(work, "portfolio", "run", TOY)
    assert champion(work) == champion(author)
    assert dirt(work) == ""
