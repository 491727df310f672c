import os
import subprocess
import sys
from pathlib import Path


def test_onnx_runtime_collects_nothing(tmp_path: Path) -> None:
    """Where it collects, it begins by making a database in the user's cache folder."""
    # CI alone keeps it from collecting, too.
    kept = {key: value for key, value in os.environ.items() if key not in ("CI", "ORT_DISABLE_TELEMETRY")}
    environment = kept | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / ".cache")}
    subprocess.run([sys.executable, "-c", "import portfolio.bundle"], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []
