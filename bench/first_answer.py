"""A new process that answers one image: what a server's start costs, by the library that it answers with.

Run it where `bench.inference` has run: `python -m bench.first_answer torch|sklearn|onnxruntime`.
"""

from __future__ import annotations

import json
import pickle
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.subject import image_of
from portfolio.bundle.manifest import InputField
from portfolio.contract.loading import load_use_case
from portfolio.contract.use_case import UseCase
from portfolio.core.paths import Paths, default_use_case

NETWORK, FOREST = Path("build") / "bench" / "network.pt", Path("build") / "bench" / "forest.pickle"


def image_classifier() -> tuple[UseCase, InputField]:
    """The first use case and its image. Raises ConfigError if it is no image classifier."""
    use_case = load_use_case(default_use_case())
    return use_case, image_of(use_case.name, use_case.inputs, use_case.output)


def torch_answer(use_case: UseCase, inputs: dict[str, Any]) -> Any:
    import torch

    torch.set_num_threads(1)
    (pixels,) = inputs.values()
    params = use_case.network_params.read(use_case.config().network)
    network = torch.nn.Sequential(use_case.network(params, pixels.shape[1]), torch.nn.Softmax(dim=1))
    network.load_state_dict(torch.load(NETWORK, weights_only=True))
    with torch.inference_mode():
        return network.eval()(torch.from_numpy(pixels))


def sklearn_answer(use_case: UseCase, inputs: dict[str, Any]) -> Any:
    (pixels,) = inputs.values()
    return pickle.loads(FOREST.read_bytes()).predict_proba(pixels)


def onnxruntime_answer(use_case: UseCase, inputs: dict[str, Any]) -> Any:
    from portfolio.bundle.bundle import Bundle

    return Bundle.open(Paths(use_case.name).candidates()["network"]).predict(inputs)


ANSWERS = {"torch": torch_answer, "sklearn": sklearn_answer, "onnxruntime": onnxruntime_answer}


def main(library: str) -> None:
    use_case, image = image_classifier()
    inputs = {image.name: np.zeros((1, image.width), dtype=np.float32)}
    started = time.perf_counter()
    ANSWERS[library](use_case, inputs)
    seconds = time.perf_counter() - started
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "peak_mib": peak_kib / 1024}))


if __name__ == "__main__":
    main(sys.argv[1])
