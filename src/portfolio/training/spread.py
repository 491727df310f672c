"""How much the headline owes to chance: the whole choice again with other seeds, nothing else changed.

Unlike the other studies this one measures on the test rows, since the headline does. Nothing is chosen by it.
"""

from __future__ import annotations

import json
from typing import Any

from portfolio.bundle.policy import VALUE
from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.paths import Paths
from portfolio.core.terminal import counted_progress
from portfolio.data.dataset import load_split
from portfolio.evaluation.comparison import compare
from portfolio.training.baselines import baselines
from portfolio.training.export import as_served
from portfolio.training.network import NETWORK, fit_network

STUDY = "spread"
CHOSEN = "chosen"


def run(use_case: UseCase, config: Config) -> None:
    """Write metrics/<use_case>/studies/spread.json: the value on the test rows with each seed, of the chosen candidate
    and of the network."""
    train, val, test = (load_split(use_case, name) for name in ("train", "val", "test"))
    seeds = range(config.train.seed, config.train.seed + config.studies.spread)
    points: dict[str, dict[str, Any]] = {
        name: {"name": name, "repetitions": [], "candidates": [], "test": {VALUE: []}} for name in (CHOSEN, NETWORK)
    }
    with counted_progress() as progress:
        task = progress.add_task("", total=len(seeds))
        others = {
            name: as_served(name, use_case, config, fit(), train, val, test)
            for name, fit in baselines(use_case, train).items()
        }
        for seed in seeds:
            progress.update(task, description=f"seed {seed}")
            seeded = config.changed({"train.seed": seed})
            fitted = fit_network(use_case, seeded, train, val)
            network = as_served(NETWORK, use_case, seeded, fitted, train, val, test)
            evaluation, _ = compare(use_case, config, {**others, NETWORK: network}, val, test)
            for name, candidate in ((CHOSEN, evaluation["best"]), (NETWORK, NETWORK)):
                points[name]["repetitions"].append(f"seed {seed}")
                points[name]["candidates"].append(candidate)
                points[name]["test"][VALUE].append(evaluation["candidates"][candidate][VALUE])
            progress.advance(task)
    result = {"study": STUDY, "metrics": [VALUE], "points": list(points.values())}
    files.write_text(Paths(use_case.name).study(STUDY), json.dumps(result, indent=1) + "\n")
