"""Training on an accelerator beside the processor: `python -m bench.accelerator`, on a machine that has one.

Networks of each kind are trained on made-up rows as `fit` trains any, in turns. Whether the same training on the
accelerator gives the same network twice is looked at, too.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from bench.rows import Row, console, record
from portfolio.contract.characters import FIRST
from portfolio.contract.config import Train
from portfolio.contract.network_params import ConvolutionParams, PerceptronParams, TextParams
from portfolio.contract.networks import ConvolutionNetwork, Perceptron
from portfolio.contract.text_networks import TextNetwork
from portfolio.core.types import Array
from portfolio.training.lightning import fit, outputs

ROUNDS, EPOCHS, COMPARED_ROWS = 3, 2, 1000
TEXT_LENGTH, VOCABULARY = 160, 400
TEXT_PARAMS = {kind: TextParams(kind=kind, layers=1) for kind in ("rnn", "transformer")}


@dataclass(frozen=True)
class Trial:
    task: str
    features: Array
    targets: Array
    network: Callable[[], nn.Module]
    params: Train

    def seconds(self, accelerator: str) -> tuple[float, Array]:
        """How long the training takes, and the network's answers to some of the rows."""
        torch.manual_seed(0)
        held_out = len(self.targets) // 5
        train = self.features[held_out:], self.targets[held_out:]
        val = self.features[:held_out], self.targets[:held_out]
        networks = [self.network() for _ in range(self.params.members)]
        params = self.params.model_copy(update={"accelerator": accelerator, "max_epochs": EPOCHS})
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            started = time.perf_counter()
            fitted = fit(networks, self.task, train, val, params, Path(folder) / "run")
            taken = time.perf_counter() - started
        return taken, outputs(fitted.network, val[0][:COMPARED_ROWS])


def trials() -> dict[str, Trial]:
    random = np.random.default_rng(0)
    pictures = random.uniform(0, 16, (1_800, 64)).astype(np.float32)
    digits = random.integers(0, 10, len(pictures))
    table = random.normal(size=(800_000, 32)).astype(np.float32)
    texts = random.integers(FIRST, FIRST + VOCABULARY, (3_000, TEXT_LENGTH)).astype(np.float32)
    for row, length in enumerate(random.integers(20, TEXT_LENGTH, len(texts))):
        texts[row, length:] = 0
    moods = random.integers(0, 3, len(texts))
    shape = (8, 8, 1)
    return {
        "8 x 8 pictures, 1,440 rows, 3 networks": Trial(
            "classification",
            pictures,
            digits,
            lambda: ConvolutionNetwork(ConvolutionParams(), shape, 0, 16, 10),
            Train(members=3),
        ),
        "table, 640,000 rows, 1 network": Trial(
            "regression",
            table,
            table[:, 0] * table[:, 1],
            lambda: Perceptron(PerceptronParams(), table.shape[1], 1),
            Train(members=1, batch_size=1024),
        ),
        **{
            f"texts, 2,400 rows, 3 networks of kind {kind}": Trial(
                "classification",
                texts,
                moods,
                lambda params=params: TextNetwork(params, TEXT_LENGTH, 3),  # type: ignore[misc]
                Train(members=3, batch_size=128),
            )
            for kind, params in TEXT_PARAMS.items()
        },
    }


def main() -> None:
    if not torch.cuda.is_available():
        sys.exit("PyTorch finds no CUDA device here, so there is nothing to compare.")
    name = torch.cuda.get_device_name()
    rows = []
    for what, trial in trials().items():
        seconds: dict[str, list[float]] = {"cpu": [], "gpu": []}
        answers: dict[str, list[Array]] = {"cpu": [], "gpu": []}
        with console.status(f"training: {what}"):
            trial.seconds("gpu")  # so that what happens only once is not timed
            for _ in range(ROUNDS):
                for accelerator in seconds:
                    taken, answered = trial.seconds(accelerator)
                    seconds[accelerator].append(taken)
                    answers[accelerator].append(answered)
        cpu, gpu = (float(np.median(seconds[accelerator])) for accelerator in ("cpu", "gpu"))
        different = sum(not np.array_equal(one, answers["gpu"][0]) for one in answers["gpu"])
        rows += [
            Row(f"{what}: processor", cpu, "s"),
            Row(f"{what}: {name}", gpu, "s"),
            Row(f"{what}: processor / {name}", cpu / gpu, "x"),
            Row(f"{what}: trainings on it that differ from the first", different, "", at_most=0),
        ]
    record("accelerator", rows, command="python -m bench.accelerator")


if __name__ == "__main__":
    main()
