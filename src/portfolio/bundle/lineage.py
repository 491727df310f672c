"""Where a bundle comes from."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from portfolio.bundle.manifest import Origin


def origin(use_case: str, config_sha256: str) -> Origin:
    """The commit that is checked out, or what PORTFOLIO_GIT_COMMIT says where there is no repository (an image).

    Where there is one and git can't read it, that is told, and it counts as changed: nobody knows that it is not.
    """
    stated = os.environ.get("PORTFOLIO_GIT_COMMIT")
    if stated:
        return Origin(git_commit=stated, dirty=False, config_sha256=config_sha256)
    # What a bundle is made from. A run itself changes dvc.lock and metrics/, and the data have a digest of their own.
    made_from = ["src", "pipelines", f"use_cases/{use_case}", f"configs/{use_case}.yaml", "dvc.yaml", "requirements"]
    changed, why_not = _git("status", "--porcelain", "--", *made_from)
    unreadable = bool(why_not) and _is_in_repository()
    if unreadable:
        print(f"warning: git can't read this checkout, so the lineage says that it was changed: {why_not}")
    commit, _ = _git("rev-parse", "--verify", "HEAD")
    return Origin(git_commit=commit or "unknown", dirty=bool(changed) or unreadable, config_sha256=config_sha256)


def _is_in_repository() -> bool:
    here = Path.cwd()
    return any((folder / ".git").exists() for folder in (here, *here.parents))


def _git(*arguments: str) -> tuple[str, str]:
    """What git prints, or nothing and its reason with the remedy, in one line."""
    try:
        result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "", "git is not installed. Install it."
    if result.returncode:
        return "", " ".join(result.stderr.split()).removeprefix("fatal: ") or f"it ended with {result.returncode}"
    return result.stdout.strip(), ""
