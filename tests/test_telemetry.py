import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("module", ["portfolio.bundle", "portfolio.report.charts"])
def test_nothing_is_written_to_the_home_folder(tmp_path: Path, module: str) -> None:
    """ONNX Runtime, where it collects, begins by making a database there; matplotlib keeps its list of fonts there."""
    # CI alone keeps it from collecting, too.
    kept = {key: value for key, value in os.environ.items() if key not in ("CI", "ORT_DISABLE_TELEMETRY")}
    home = tmp_path / "home"
    home.mkdir()
    environment = kept | {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"), "PORTFOLIO_STATE": str(tmp_path)}
    subprocess.run([sys.executable, "-c", f"import {module}"], env=environment, check=True)
    assert list(home.iterdir()) == []
