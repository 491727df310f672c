"""Clones of the last commit, and what a user's commands in them print, and take."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.rows import ROOT
from portfolio.core.paths import default_use_case

ROUNDS = 3
"""What is compared is measured so many times, in turns."""


def environment(**more: str) -> dict[str, str]:
    """The variables of a user who has no state anywhere, and whose Python keeps compiled modules.

    A mirror is no state: where the data's own address cannot be reached, it is where they come from.
    """
    dropped = ("PORTFOLIO_", "PREFECT_", "MLFLOW_", "PYTHONDONTWRITEBYTECODE", "MAKE")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(dropped) or key == "PORTFOLIO_MIRROR"}
    return {**kept, **more}


def clone(folder: Path) -> Path:
    """A clone of the last commit, in an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    return folder


def run(command: list[str], folder: Path, **more: str) -> str:
    """What a command prints. If it fails, everything ends with what it printed."""
    result = subprocess.run(command, cwd=folder, env=environment(**more), capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{' '.join(command)} ended with {result.returncode}:\n{result.stdout[-3000:]}{result.stderr[-3000:]}")
    return result.stdout


def timed(command: list[str], folder: Path, **more: str) -> float:
    started = time.perf_counter()
    run(command, folder, **more)
    return time.perf_counter() - started


def printed(command: list[str], folder: Path) -> Any:
    """What a command prints last, as JSON."""
    return json.loads(run(command, folder, PYTHONPATH=str(ROOT)).strip().splitlines()[-1])


def python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def looped(work: Path) -> Path:
    """A clone in which the loop has run."""
    folder = work / "loop"
    if not folder.exists():
        timed(python("portfolio", "run", default_use_case()), clone(folder))
    return folder
