"""The copy of the repository in which the demo happens, so that the checkout and its state stay as they are."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from portfolio.core.errors import PortfolioError
from portfolio.core.paths import Paths
from portfolio.profiling.project import files_folder

# Of the state of an earlier demo: Prefect's tables take seconds to make, and say nothing of a model.
KEPT = ("prefect",)


def refreshed(clone: Path) -> Path:
    """Bring the clone to the commit that is checked out here, keeping its cache. Gives the project's folder there."""
    top, below = _git("rev-parse", "--show-toplevel"), _git("rev-parse", "--show-prefix")
    commit = _git("rev-parse", "HEAD")
    known = clone / ".git" / "objects" / "info" / "alternates"
    # A clone of where the checkout lay before it was moved has no objects any more.
    if clone.exists() and not (known.exists() and Path(known.read_text().strip()).is_dir()):
        shutil.rmtree(clone)
    if not clone.exists():
        _call(["git", "clone", "--quiet", "--shared", top, str(clone)], Path.cwd())
    _call(["git", "remote", "set-url", "origin", top], clone)
    _call(["git", "fetch", "--quiet", "origin", commit], clone)
    _call(["git", "reset", "--quiet", "--hard", commit], clone)
    return clone / below


def bring_files(name: str, clone: Path) -> None:
    """Copy the files that a use case of one's own is collected from, which git ignores, into the clone."""
    files = files_folder(name)
    shutil.rmtree(clone / files, ignore_errors=True)
    if files.is_dir():
        shutil.copytree(files, clone / files)


def cleared(name: str, project: Path) -> None:
    """Delete what an earlier demo left, and what git knows of a champion: the story begins before there is one.

    DVC's cache stays, and with it what was trained on the same rows.
    """
    state = project / ".state"
    for path in state.iterdir() if state.exists() else ():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    paths = Paths(name)
    for path in (paths.batches, paths.champion, paths.models):
        shutil.rmtree(project / path, ignore_errors=True)
    for path in (paths.verdict, paths.champion.with_suffix(".dvc")):
        (project / path).unlink(missing_ok=True)


def _git(*arguments: str) -> str:
    """What git says here. Raises PortfolioError, with the remedy, if there is no commit to show."""
    result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise PortfolioError(
            f"The demo works in a clone, and {Path.cwd()} is not in a git repository with a commit "
            f"({result.stderr.strip().splitlines()[0]}). Make it one: git init && git add --all && git commit -m start"
        )
    return result.stdout.strip()


def _call(command: list[str], folder: Path) -> None:
    result = subprocess.run(command, cwd=folder, check=False)
    if result.returncode != 0:
        raise PortfolioError(f"The demo stopped: '{' '.join(command)}' ended with {result.returncode}; see above.")
