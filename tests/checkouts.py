"""Repositories with this working tree's files, in which commands are run as their users would."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

from portfolio.profiling import project
from tests.workspace import ALL_USE_CASES, ROOT, TOY, add_test_use_cases

# The targets that have to work in any project.
MADE = ("check", "docs", "demo", "test")


def make_repository(folder: Path) -> Path:
    """Make of a folder what git and DVC work in, with this repository's settings."""
    shutil.copytree(ROOT / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def checkout(folder: Path) -> Path:
    """A repository with this working tree's files, and the use cases of the tests, in one commit."""
    return repository(add_test_use_cases(copy_tree(folder)))


def repository(folder: Path) -> Path:
    """A repository of a folder's files, in one commit."""
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return committed(folder)


def copy_tree(folder: Path) -> Path:
    """Copy this working tree's files, but for what git ignores; with the engine as Python has compiled it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).exists():
            _copy(Path(name), folder)
    for room in ("src", "pipelines", "serving"):
        for compiled in (ROOT / room).rglob("__pycache__/*.pyc"):
            _copy(compiled.relative_to(ROOT), folder)
    return folder


def _copy(name: Path, folder: Path) -> None:
    """With its time, by which Python knows whether what was compiled is of this file."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(ROOT / name, folder / name)


def checkout_of_one(folder: Path) -> Path:
    """The same with the toy in place of all other use cases, as of somebody who has deleted the project's own."""
    return with_one(checkout(folder))


def with_one(folder: Path) -> Path:
    """The same of a repository that has the use cases of the tests beside its own."""
    with chdir(folder):
        for name in ALL_USE_CASES:
            if name != TOY:
                project.remove(name)
    return committed(folder)


def committed(folder: Path) -> Path:
    """The repository, with all that it holds in a commit."""
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["add", "-A"], [*identity, "commit", "--allow-empty", "-qm", "tree"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def environment_of(folder: Path) -> dict[str, str]:
    """That of a shell in which a copy's own code is run."""
    beside = Path(sys.executable).parent
    dropped = ("PREFECT_API_URL", "MLFLOW_TRACKING_URI")
    return {
        # Options meant for this run would make the one inside it collect this file again, and so on for ever.
        **{key: value for key, value in os.environ.items() if not key.startswith("PYTEST_") and key not in dropped},
        "PATH": f"{beside}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{folder / 'src'}{os.pathsep}{folder}",
        "PORTFOLIO_STATE": str(folder / ".state"),
    }


def make_in(folder: Path, target: str, environment: dict[str, str]) -> None:
    """Make a target, as somebody who has just cloned the folder: with its own code, in an environment of its own."""
    for one in ("setup", target):
        print(f"\nmake {one}, in {folder}", flush=True)
        code = subprocess.run(["make", one], cwd=folder, env=environment).returncode
        assert code == 0, f"`make {one}` failed; see above. The project is in {folder}"
    where = [folder / ".venv" / "bin" / "python", "-c", "import portfolio; print(portfolio.__file__)"]
    found = subprocess.run(where, cwd="/", env=environment, capture_output=True, text=True, check=True).stdout
    assert Path(found).is_relative_to(folder)


def run_in(folder: Path, *command: str, typed: str = "") -> str:
    """Run a command with the code of a copy, and type what it asks for. What it prints is shown if it fails."""
    result = subprocess.run(
        command, cwd=folder, env=environment_of(folder), input=typed, capture_output=True, text=True, timeout=500
    )
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout[-8000:]}{result.stderr[-4000:]}"
    return result.stdout
