"""The simpler candidates: the constant answer, and the use case's scikit-learn estimators."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import onnx
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from portfolio.bundle.graph import constant_graph
from portfolio.contract.use_case import UseCase
from portfolio.core.types import Array
from portfolio.data.dataset import Split, sklearn_input
from portfolio.training.logarithms import Bounds, as_learned
from portfolio.training.sklearn_graph import round_to_float32, sklearn_graph

# Of a larger training split, each of a forest's trees sees so many rows drawn at random, and the forest sees them all:
# its time and size stop growing there.
MAX_TREE_ROWS = 20_000


@dataclass(frozen=True)
class FittedBaseline:
    use_case: UseCase
    model: Pipeline | Array
    """A scikit-learn pipeline, or the one answer [outputs] that is given to every row."""
    seconds: float
    logarithms: Bounds | None = None
    """Of a model of the target's logarithm: answers stay within them."""

    @property
    def parameters(self) -> dict[str, str]:
        """The estimator's parameters."""
        if isinstance(self.model, np.ndarray):
            return {}
        return {key: str(value) for key, value in self.model[-1].get_params().items()}

    def graph(self) -> onnx.ModelProto:
        """The model as an ONNX graph. Raises BundleError for an estimator that can't be exported."""
        inputs, output = self.use_case.inputs, self.use_case.output
        if isinstance(self.model, np.ndarray):
            return constant_graph(inputs, output, self.model)
        return sklearn_graph(self.use_case.graph_features, output, self.model, logarithms=self.logarithms)

    def predict(self, inputs: dict[str, Array]) -> Array:
        """Probabilities [rows, classes] or values [rows, 1] for inputs [rows, width] by name."""
        rows = sklearn_input(self.use_case, inputs)
        if isinstance(self.model, np.ndarray):
            return np.tile(self.model, (len(rows), 1))
        if self.use_case.output.task == "classification":
            # A class without a training row has no column of its own.
            probabilities = np.zeros((len(rows), len(self.use_case.output.classes)))
            probabilities[:, self.model.classes_] = self.model.predict_proba(rows)
            return probabilities
        values = np.asarray(self.model.predict(rows)).reshape(-1, 1)
        return values if self.logarithms is None else np.exp(np.clip(values, *self.logarithms))


def unfitted(use_case: UseCase, estimator: Any) -> Pipeline:
    """The estimator behind the use case's preprocessor, unless it picks its own columns of the raw inputs."""
    if isinstance(estimator, Pipeline) and isinstance(estimator[0], ColumnTransformer):
        return estimator
    preprocessor = use_case.preprocessor()
    steps = [] if preprocessor is None else [("preprocessor", preprocessor)]
    return Pipeline([*steps, ("estimator", estimator)])


def fit_baseline(use_case: UseCase, estimator: Any, train: Split) -> FittedBaseline:
    """Fit a scikit-learn estimator on the use case's inputs."""
    started = time.perf_counter()
    targets, logarithms = as_learned(use_case, train.targets)
    pipeline = unfitted(use_case, estimator)
    if len(train) > MAX_TREE_ROWS:
        _bound(pipeline[-1])
    pipeline.fit(sklearn_input(use_case, train.inputs), targets)
    return FittedBaseline(use_case, round_to_float32(pipeline), time.perf_counter() - started, logarithms)


def _bound(estimator: Any) -> None:
    parameters = estimator.get_params()
    if parameters.get("bootstrap") and parameters["max_samples"] is None:
        estimator.set_params(max_samples=MAX_TREE_ROWS)


def fit_constant(use_case: UseCase, train: Split) -> FittedBaseline:
    """The best answer that ignores the inputs: how common each class is, or the mean value."""
    started = time.perf_counter()
    if use_case.output.task == "regression":
        answer = np.array([train.targets.mean()], dtype=np.float32)
    else:
        shares = np.bincount(train.targets, minlength=len(use_case.output.classes)) / len(train)
        answer = np.asarray(shares, dtype=np.float32)
    return FittedBaseline(use_case, answer, time.perf_counter() - started)


def baselines(use_case: UseCase, train: Split) -> dict[str, Callable[[], FittedBaseline]]:
    """By name, functions that fit each candidate on `train`."""
    fits = {
        name: partial(fit_baseline, use_case, estimator, train) for name, estimator in use_case.candidates().items()
    }
    return {"constant": partial(fit_constant, use_case, train), **fits}
