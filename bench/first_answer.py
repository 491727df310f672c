"""A new process that answers one row: what a server's start costs, by the library that it answers with.

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

from portfolio.contract.loading import load_use_case
from portfolio.core.paths import Paths

NETWORK, FOREST = Path("build") / "bench" / "network.pt", Path("build") / "bench" / "forest.pickle"


def torch_answer(pixels: Any) -> Any:
    import torch

    torch.set_num_threads(1)
    use_case = load_use_case("digits")
    config = use_case.config()
    network = torch.nn.Sequential(use_case.network(config.network, pixels.shape[1]), torch.nn.Softmax(dim=1))
    network.load_state_dict(torch.load(NETWORK, weights_only=True))
    with torch.inference_mode():
        return network.eval()(torch.from_numpy(pixels))


def sklearn_answer(pixels: Any) -> Any:
    return pickle.loads(FOREST.read_bytes()).predict_proba(pixels)


def onnxruntime_answer(pixels: Any) -> Any:
    from portfolio.bundle.bundle import Bundle

    return Bundle.open(Paths("digits").candidates()["network"]).predict({"pixels": pixels})


ANSWERS = {"torch": torch_answer, "sklearn": sklearn_answer, "onnxruntime": onnxruntime_answer}


def main(library: str) -> None:
    pixels = np.zeros((1, 64), dtype=np.float32)
    started = time.perf_counter()
    ANSWERS[library](pixels)
    seconds = time.perf_counter() - started
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "peak_mib": peak_kib / 1024}))


if __name__ == "__main__":
    main(sys.argv[1])
