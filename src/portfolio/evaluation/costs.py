"""What each candidate costs: seconds to train, milliseconds a row, bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.latency import latency_ms
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.paths import Paths
from portfolio.data.dataset import load_split


def measure_costs(use_case: UseCase) -> dict[str, dict[str, Any]]:
    """By candidate; `train_seconds` is None for a model that was trained on another machine.

    A model is measured once: metrics/<use_case>/costs.json is in git, and another millisecond is no news. So it is no
    output of a stage either, which DVC would delete and measure anew.
    """
    paths = Paths(use_case.name)
    path = paths.metrics("costs")
    known = _read(path)
    found = {}
    for name, folder in paths.candidates().items():
        bundle = Bundle.open(folder)
        model_sha256 = bundle.manifest.model_sha256
        found[name] = known.get(name, {})
        if found[name].get("model_sha256") != model_sha256:
            seconds = paths.train_seconds(model_sha256)
            found[name] = {
                "model_sha256": model_sha256,
                "train_seconds": float(seconds.read_text()) if seconds.exists() else None,
                "latency_ms": round(latency_ms(bundle, load_split(use_case, "test").inputs), 4),
                "model_bytes": bundle.model_bytes,
            }
    if found != known:
        files.write_text(path, json.dumps(found, indent=1) + "\n")
    return found


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return dict(json.loads(path.read_text()))
    except (FileNotFoundError, ValueError):
        return {}
