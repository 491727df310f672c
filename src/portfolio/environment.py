"""The environment of the tools that run beside us: everything local under the state folder, no telemetry."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from portfolio.store import state_folder


def local_environment() -> None:
    """Set what is not set yet, before Prefect, DVC or MLflow is imported."""
    settings = {
        "DO_NOT_TRACK": "true",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DVC_NO_ANALYTICS": "1",
        "PREFECT_HOME": str(state_folder() / "prefect"),
        # The first start of Prefect's server takes longer than the default of 20 s on a small machine.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PORTFOLIO_STATE": str(state_folder()),
    }
    for key, value in settings.items():
        os.environ.setdefault(key, value)
    # Prefect makes this folder, but not its parents.
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)
    # The stages' commands name `portfolio`: it stands beside the interpreter, also in an inactive environment.
    beside = str(Path(sys.executable).parent)
    if beside not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([beside, os.environ.get("PATH", "")])
