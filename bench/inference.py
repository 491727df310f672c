"""The same two models in ONNX Runtime, as they are served, and in the libraries that trained them; one thread each.

Run it where the loop has run, with an image classifier as the first use case of params.yaml: `python -m
bench.inference`. It leaves both models, as their own libraries keep them, for `bench.first_answer`.
"""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch

from bench.first_answer import FOREST, NETWORK, image_classifier
from bench.subject import one_message
from portfolio.bundle.bundle import Bundle
from portfolio.core.errors import ConfigError
from portfolio.core.paths import Paths
from portfolio.core.types import Array
from portfolio.data.dataset import load_split
from portfolio.evaluation.calibration import softened
from portfolio.training.baselines import fit_baseline
from portfolio.training.network import fit_network

RANDOM_FOREST = "random_forest"
RUNS = {1: 500, 1000: 50}
"""How often, by the number of rows."""


def main() -> None:
    torch.set_num_threads(1)
    use_case, _ = image_classifier()
    bundles, config, candidates = Paths(use_case.name).candidates(), use_case.config(), use_case.candidates()
    if RANDOM_FOREST not in candidates:
        raise ConfigError(f"This needs a candidate {RANDOM_FOREST}. '{use_case.name}' has: {', '.join(candidates)}.")
    train, val, test = (load_split(use_case, name) for name in ("train", "val", "test"))
    network = fit_network(use_case, config, train, val, on_epoch=lambda *_: False)
    forest = fit_baseline(use_case, candidates[RANDOM_FOREST], train)
    NETWORK.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network.network.state_dict(), NETWORK)
    FOREST.write_bytes(pickle.dumps(forest.model))
    found: dict[str, dict[str, dict[str, float]]] = {}
    for model, own in (("network", network.predict), (RANDOM_FOREST, forest.predict)):
        bundle = Bundle.open(bundles[model])
        for count, runs in RUNS.items():
            rows = test.take(np.arange(count) % len(test)).inputs
            # Apart from its calibration, the graph is the same model.
            expected = softened(own(rows), bundle.manifest.temperature)
            np.testing.assert_allclose(bundle.predict(rows), expected, atol=1e-3)
            found.setdefault(model, {})[f"{count:,}"] = in_turns({"own": own, "onnx": bundle.predict}, rows, runs)
    print(json.dumps(found))


def in_turns(
    predictors: dict[str, Callable[[dict[str, Array]], Array]], rows: dict[str, Array], runs: int
) -> dict[str, float]:
    """The median milliseconds of each, taken one after the other in every run."""
    seconds: dict[str, list[float]] = {name: [] for name in predictors}
    for _ in range(runs):
        for name, predict in predictors.items():
            started = time.perf_counter()
            predict(rows)
            seconds[name].append(time.perf_counter() - started)
    return {name: 1000 * median(values) for name, values in seconds.items()}


if __name__ == "__main__":
    with one_message():
        main()
