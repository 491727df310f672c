"""Fit the simpler candidates, and export each as a bundle."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import onnx
from sklearn.pipeline import Pipeline

from portfolio.bundle import Array
from portfolio.config import Config
from portfolio.dataset import Split, load_split, sklearn_input
from portfolio.export import constant_graph, round_to_float32, sklearn_graph, write_candidate
from portfolio.paths import Paths
from portfolio.use_case import UseCase

CONSTANT = "constant"


def run(use_case: UseCase, config: Config) -> None:
    folder = Paths(use_case.name).models / "baselines"
    train, val = load_split(use_case, "train"), load_split(use_case, "val")
    for name, estimator in {CONSTANT: None, **use_case.baselines()}.items():
        started = time.perf_counter()
        fitted = _constant(use_case, train) if estimator is None else _fitted(use_case, estimator, train)
        seconds = time.perf_counter() - started
        graph, expected = _graph(use_case, fitted, train)
        write_candidate(folder / name, use_case, config, graph, train, expected, val, seconds)


def _constant(use_case: UseCase, train: Split) -> Array:
    """What one would answer without looking: how common each class is, or the mean value. float32 [outputs]."""
    if use_case.output.task == "regression":
        return np.array([train.targets.mean()], dtype=np.float32)
    shares = np.bincount(train.targets, minlength=len(use_case.output.classes)) / len(train)
    return np.asarray(shares, dtype=np.float32)


def _fitted(use_case: UseCase, estimator: Any, train: Split) -> Pipeline:
    preprocessor = use_case.preprocessor()
    steps = [] if preprocessor is None else [("preprocessor", preprocessor)]
    targets = np.log(train.targets) if use_case.log_target else train.targets
    pipeline = Pipeline([*steps, ("estimator", estimator)]).fit(sklearn_input(use_case, train.inputs), targets)
    return round_to_float32(pipeline)


def _graph(use_case: UseCase, fitted: Pipeline | Array, train: Split) -> tuple[onnx.ModelProto, Array]:
    """The graph of a fitted candidate, and its own answers [rows, outputs] to the training rows."""
    if isinstance(fitted, np.ndarray):
        return constant_graph(use_case, fitted), np.tile(fitted, (len(train), 1))
    rows = sklearn_input(use_case, train.inputs)
    if use_case.output.task == "classification":
        expected = fitted.predict_proba(rows)
    else:
        expected = np.exp(fitted.predict(rows)) if use_case.log_target else fitted.predict(rows)
    return sklearn_graph(use_case, fitted), expected
