"""requirements/setup.sh: what it refuses, and when it makes the environment anew."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.workspace import ROOT

# In the place of Python: says its version, and makes environments in which nothing is installed.
PYTHON = """#!/bin/bash
if [ "$1" = -c ]; then echo "${FAKE_VERSION:-3.11}"; exit; fi
echo "$@" >>"$MADE"
mkdir -p "$3/bin"
for name in python uv; do cp "$0" "$3/bin/$name"; done
sed -i '2i case $0 in *uv) exit 0 ;; esac' "$3/bin/uv"
echo "command = $0 -m venv $(pwd -P)/$3" >"$3/pyvenv.cfg"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "a project"
    folder.mkdir()
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    shutil.copyfile(ROOT / "pyproject.toml", folder / "pyproject.toml")
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    return folder


def setup(folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("VENV", "TORCH")}
    environment = kept | {"PYTHON": str(folder.parent / "python"), "MADE": str(folder.parent / "made")} | more
    return subprocess.run(
        ["bash", "requirements/setup.sh"], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


def made(folder: Path) -> int:
    """How many environments have been made."""
    log = folder.parent / "made"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_it_is_made_once(project: Path) -> None:
    assert setup(project).returncode == 0
    again = setup(project)
    assert (again.returncode, again.stdout, made(project)) == (0, "", 1)


@pytest.mark.parametrize("copied", [True, False], ids=["copied", "moved"])
def test_in_a_checkout_that_was_moved_or_copied_it_is_made_anew(project: Path, copied: bool) -> None:
    setup(project)
    there = project.with_name("there")
    shutil.copytree(project, there) if copied else shutil.move(project, there)
    found = setup(there)
    assert found.returncode == 0, found.stderr
    assert "made in another folder" in found.stdout
    assert (made(there), setup(there).stdout) == (2, "")
    assert str(there) in (there / ".venv" / "pyvenv.cfg").read_text()


@pytest.mark.parametrize("version", ["3.10", "3.12", "2.7"])
def test_another_python_is_refused(project: Path, version: str) -> None:
    found = setup(project, FAKE_VERSION=version)
    assert found.returncode == 1
    assert f"is Python {version}. Name another: make PYTHON=" in found.stderr
    assert not (project / ".venv").exists()


def test_a_missing_python_is_named(project: Path) -> None:
    found = setup(project, PYTHON="/nowhere/python3.11")
    assert found.returncode == 1
    assert "'/nowhere/python3.11' was not found. Install it, or name it" in found.stderr
