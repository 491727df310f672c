"""The network candidate: a use case's network, trained behind its preprocessor."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

import portfolio.contract
from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.environment import state_folder
from portfolio.core.types import Array
from portfolio.data.dataset import Split, sklearn_input
from portfolio.training.lightning import OnEpoch, fit, outputs, run_key
from portfolio.training.logarithms import Bounds, as_learned
from portfolio.training.network_graph import network_graph

NETWORK = "network"


@dataclass(frozen=True)
class FittedNetwork:
    use_case: UseCase
    preprocessor: Any | None
    network: nn.Module
    """From preprocessed float32 [rows, width] to probabilities or values."""
    width: int
    history: list[dict[str, float]]
    best_epoch: int
    seconds: float

    def graph(self) -> onnx.ModelProto:
        """The network and its preprocessor as one ONNX graph."""
        features, output = self.use_case.graph_features, self.use_case.output
        return network_graph(features, output, self.preprocessor, self.network, self.width)

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.network.parameters())

    def predict(self, inputs: dict[str, Array]) -> Array:
        """Probabilities [rows, classes] or values [rows, 1] for inputs [rows, width] by name."""
        return outputs(self.network, _features(self.use_case, self.preprocessor, inputs))


def fit_network(
    use_case: UseCase,
    config: Config,
    train: Split,
    val: Split,
    on_epoch: OnEpoch | None = None,
) -> FittedNetwork:
    """Train on `train`, and stop early on `val`. A training that was killed resumes where it stopped.

    `on_epoch` is told each epoch's number and validation loss, and says whether to stop.
    """
    params = use_case.network_params.read(config.network)
    preprocessor = use_case.network_preprocessor(params)
    if preprocessor is not None:
        preprocessor.fit(sklearn_input(use_case, train.inputs))
    features, val_features = (_features(use_case, preprocessor, split.inputs) for split in (train, val))
    augment = use_case.augmentation() if config.train.augment else None
    scale = TargetScale.of(use_case, train.targets)
    torch.manual_seed(config.train.seed)
    members = [use_case.network(params, features.shape[1]) for _ in range(config.train.members)]
    key = run_key(config.train.model_dump(), config.network, _rows_sha256(use_case, train, val), _code_sha256(use_case))
    started = time.perf_counter()
    fitted = fit(
        members,
        use_case.output.task,
        (features, scale.forward(train.targets)),
        (val_features, scale.forward(val.targets)),
        config.train,
        state_folder() / "checkpoints" / use_case.name / key,
        augment=augment,
        on_epoch=on_epoch,
    )
    seconds = time.perf_counter() - started
    whole = nn.Sequential(fitted.network, scale.head()).eval()
    return FittedNetwork(use_case, preprocessor, whole, features.shape[1], fitted.history, fitted.best_epoch, seconds)


class TargetScale:
    """How targets are scaled for training, and the layer that scales a network's outputs back.

    Classes stay as they are, and their logits become probabilities. A value is standardised, after the logarithm where
    the use case asks for that.
    """

    def __init__(self, task: str, mean: float = 0.0, std: float = 1.0, logarithms: Bounds | None = None) -> None:
        self._task, self._mean, self._std, self._logarithms = task, mean, std, logarithms

    @classmethod
    def of(cls, use_case: UseCase, targets: Array) -> TargetScale:
        if use_case.output.task == "classification":
            return cls("classification")
        values, logarithms = as_learned(use_case, targets)
        return cls("regression", float(values.mean()), float(values.std()) or 1.0, logarithms)

    def forward(self, targets: Array) -> Array:
        if self._task == "classification":
            return targets
        values = targets if self._logarithms is None else np.log(targets)
        return ((values - self._mean) / self._std).astype(np.float32)

    def head(self) -> nn.Module:
        if self._task == "classification":
            return nn.Softmax(dim=1)
        return _Unscaled(self._mean, self._std, self._logarithms)


class _Unscaled(nn.Module):
    def __init__(self, mean: float, std: float, logarithms: Bounds | None) -> None:
        super().__init__()
        self._mean, self._std, self._logarithms = mean, std, logarithms

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        values = values * self._std + self._mean
        return values if self._logarithms is None else values.clamp(*self._logarithms).exp()


def _features(use_case: UseCase, preprocessor: Any | None, inputs: dict[str, Array]) -> Array:
    rows = sklearn_input(use_case, inputs)
    # Arrays shared with pandas are read-only, and torch warns about that; only those are copied.
    return np.require(rows if preprocessor is None else preprocessor.transform(rows), np.float32, "W")


def _rows_sha256(use_case: UseCase, *splits: Split) -> str:
    """A digest of the rows' keys and values: a batch may have been replaced by a corrected one."""
    digest = hashlib.sha256()
    for split in splits:
        digest.update(f"{len(split)} {' '.join(map(str, split.rows[use_case.key]))}".encode())
        for array in (split.targets, *split.inputs.values()):
            digest.update("\0".join(array[:, 0]).encode() if array.dtype == object else array.tobytes())
    return digest.hexdigest()


def _code_sha256(use_case: UseCase) -> str:
    """A digest of the code that training depends on: other code does not resume a run that was killed."""
    folders = (use_case.folder, Path(portfolio.contract.__file__).parent, Path(__file__).parent)
    code = [path for folder in folders for path in sorted(folder.glob("*.py"))]
    return hashlib.sha256("".join(map(files.sha256, code)).encode()).hexdigest()
