"""No use case is special: with the project's own deleted, and another in their place, everything works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SHAPES, SIGNS, TOY, checkout_of_one, committed


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout that has the toy and nothing else."""
    folder = checkout_of_one(tmp_path_factory.mktemp("copy"))
    run(folder, "portfolio", "readme")
    return committed(folder)


def run(folder: Path, *command: str) -> str:
    """Run a command with the copy's own code. What it prints is shown if it fails."""
    beside = Path(sys.executable).parent
    environment = {
        # Options meant for this run would make the one inside it collect this file again, and so on for ever.
        **{key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")},
        "PATH": f"{beside}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{folder / 'src'}{os.pathsep}{folder}",
        "PORTFOLIO_STATE": str(folder / ".state"),
    }
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout[-8000:]}{result.stderr[-4000:]}"
    return result.stdout


@pytest.mark.parametrize("command", ["ruff check .", "ruff format --check .", "lint-imports --no-cache"])
def test_its_checks_pass(copy: Path, command: str) -> None:
    """But for mypy, which looks at the engine alone, and so at what it has looked at before."""
    run(copy, *command.split())


def test_its_readme_says_how_to_get_figures(copy: Path) -> None:
    run(copy, "portfolio", "readme", "--check")
    assert "No figures yet. This measures them: `make run`" in (copy / "README.md").read_text()


def test_dvc_knows_its_stages(copy: Path) -> None:
    assert f"evaluate@{TOY}" in run(copy, "dvc", "dag")


def test_its_makefile_has_it_as_the_default(copy: Path) -> None:
    assert f"portfolio run {TOY}\n" in run(copy, "make", "--dry-run", "run")


def test_its_tests_pass(copy: Path) -> None:
    """Those that ask what use cases there are, or read what is written about them; all others use the toy anywhere."""
    files = [f"tests/test_{name}.py" for name in ("contract", "imports", "readme", "dvc", "workflows")]
    # What the tests bring with them is the same wherever they run.
    brought = f"not {SHAPES} and not {SIGNS}"
    told = run(copy, "pytest", "-q", "-p", "no:cacheprovider", "-k", brought, *files)
    assert " passed" in told
