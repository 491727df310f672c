"""The notebooks run from start to end, on whatever use case was trained."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workspace import OF_TESTS, ROOT


@pytest.mark.parametrize("use_case", OF_TESTS)
@pytest.mark.parametrize("notebook", sorted(path.name for path in (ROOT / "notebooks").glob("*.py")))
def test_a_notebook_runs(built: Callable[[str], Path], use_case: str, notebook: str) -> None:
    folder = built(use_case)
    result = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "notebooks" / notebook), use_case],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert "yen per item saved" in result.stdout
