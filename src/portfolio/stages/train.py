"""Train the network, and export it as a bundle."""

from __future__ import annotations

import hashlib
import inspect
import json
import time
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import nn

from portfolio import files, plots
from portfolio.bundle import Array
from portfolio.config import Config
from portfolio.dataset import Split, data_sha256, load_split, sklearn_input
from portfolio.environment import state_folder
from portfolio.export import network_graph, write_candidate
from portfolio.paths import Paths
from portfolio.training import fit, outputs, run_key
from portfolio.use_case import UseCase


def run(use_case: UseCase, config: Config) -> None:
    paths = Paths(use_case.name)
    train, val = load_split(use_case, "train"), load_split(use_case, "val")
    preprocessor = use_case.preprocessor()
    if preprocessor is not None:
        preprocessor.fit(sklearn_input(use_case, train.inputs))

    def features(split: Split) -> Array:
        rows = sklearn_input(use_case, split.inputs)
        return np.asarray(rows if preprocessor is None else preprocessor.transform(rows), dtype=np.float32)

    train_features, val_features = features(train), features(val)
    width = train_features.shape[1]
    scale = TargetScale.of(use_case, train.targets)
    torch.manual_seed(config.train.seed)
    network = use_case.network(config.network, width)
    key = run_key(config.train.model_dump(), config.network, data_sha256(use_case), _code_sha256(use_case))
    started = time.perf_counter()
    fitted = fit(
        network,
        use_case.output.task,
        (train_features, scale.forward(train.targets)),
        (val_features, scale.forward(val.targets)),
        config.train,
        state_folder() / "checkpoints" / use_case.name / key,
    )
    seconds = time.perf_counter() - started
    whole = nn.Sequential(fitted.network, scale.head()).eval()
    graph = network_graph(use_case, preprocessor, whole, width)
    expected = outputs(whole, train_features)
    write_candidate(paths.models / "network", use_case, config, graph, train, expected, val, seconds)
    with files.replaced(paths.plots / "training.csv") as partial:
        pl.DataFrame(fitted.history).write_csv(partial)
    plots.training(paths.plots / "training.png", fitted.history, fitted.best_epoch)
    best = fitted.history[fitted.best_epoch - 1]
    metrics = {
        "epochs": len(fitted.history),
        "best_epoch": fitted.best_epoch,
        "train_loss": best["train_loss"],
        "val_loss": best["val_loss"],
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }
    files.write_text(paths.metrics("train"), json.dumps(metrics, indent=1) + "\n")
    epochs = f"epoch {fitted.best_epoch} of {len(fitted.history)}"
    print(f"{metrics['parameters']:,} parameters; {epochs} is kept, with a validation loss of {best['val_loss']:.4f}")


def _code_sha256(use_case: UseCase) -> str:
    """Of the code that training depends on: a run that was killed is not resumed by other code."""
    own = Path(inspect.getfile(type(use_case))).parent.glob("*.py")
    return hashlib.sha256("".join(map(files.sha256, [*sorted(own), Path(inspect.getfile(fit))])).encode()).hexdigest()


class TargetScale:
    """How targets are scaled for training, and the layer that leads a network's outputs back.

    A class stays as it is, and its logits become probabilities. A value is standardised, after the logarithm where
    the use case asks for that.
    """

    def __init__(self, task: str, log: bool, mean: float, std: float) -> None:
        self._task, self._log, self._mean, self._std = task, log, mean, std

    @classmethod
    def of(cls, use_case: UseCase, targets: Array) -> TargetScale:
        if use_case.output.task == "classification":
            return cls("classification", False, 0.0, 1.0)
        values = np.log(targets) if use_case.log_target else targets
        return cls("regression", use_case.log_target, float(values.mean()), float(values.std()))

    def forward(self, targets: Array) -> Array:
        if self._task == "classification":
            return targets
        values = np.log(targets) if self._log else targets
        return ((values - self._mean) / self._std).astype(np.float32)

    def head(self) -> nn.Module:
        if self._task == "classification":
            return nn.Softmax(dim=1)
        return _Unscaled(self._log, self._mean, self._std)


class _Unscaled(nn.Module):
    def __init__(self, log: bool, mean: float, std: float) -> None:
        super().__init__()
        self._log, self._mean, self._std = log, mean, std

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        values = values * self._std + self._mean
        return values.exp() if self._log else values
