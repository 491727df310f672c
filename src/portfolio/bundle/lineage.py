"""Where a bundle comes from."""

from __future__ import annotations

import os
import subprocess


def git_commit() -> str:
    """The commit that is checked out, or what PORTFOLIO_GIT_COMMIT says where there is no repository (an image)."""
    stated = os.environ.get("PORTFOLIO_GIT_COMMIT")
    if stated:
        return stated
    result = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else "unknown"
