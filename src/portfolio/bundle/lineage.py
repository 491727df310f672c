"""Where a bundle comes from."""

from __future__ import annotations

import os
import subprocess

from portfolio.bundle.manifest import Origin


def origin(use_case: str, config_sha256: str) -> Origin:
    """The commit that is checked out, or what PORTFOLIO_GIT_COMMIT says where there is no repository (an image)."""
    stated = os.environ.get("PORTFOLIO_GIT_COMMIT")
    if stated:
        return Origin(git_commit=stated, dirty=False, config_sha256=config_sha256)
    commit = _git("rev-parse", "HEAD")
    # What a bundle is made from. A run itself changes dvc.lock and metrics/, and the data have a digest of their own.
    made_from = ["src", "pipelines", f"use_cases/{use_case}", f"configs/{use_case}.yaml", "dvc.yaml", "requirements"]
    changed = commit and _git("status", "--porcelain", "--", *made_from)
    return Origin(git_commit=commit or "unknown", dirty=bool(changed), config_sha256=config_sha256)


def _git(*arguments: str) -> str:
    """What git prints, or nothing where there is no repository or no git."""
    try:
        result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""
