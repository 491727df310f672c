"""Fit the scikit-learn candidates, and export each as a bundle."""

from __future__ import annotations

import numpy as np
from sklearn.pipeline import Pipeline

from portfolio.config import Config
from portfolio.dataset import load_split, sklearn_input
from portfolio.export import sklearn_graph, write_candidate
from portfolio.paths import Paths
from portfolio.use_case import UseCase


def run(use_case: UseCase, config: Config) -> None:
    folder = Paths(use_case.name).models / "baselines"
    train = load_split(use_case, "train")
    rows = sklearn_input(use_case, train.inputs)
    targets = np.log(train.targets) if use_case.log_target else train.targets
    for name, estimator in use_case.baselines().items():
        preprocessor = use_case.preprocessor()
        steps = [] if preprocessor is None else [("preprocessor", preprocessor)]
        pipeline = Pipeline([*steps, ("estimator", estimator)]).fit(rows, targets)
        if use_case.output.task == "classification":
            expected = pipeline.predict_proba(rows)
        else:
            expected = np.exp(pipeline.predict(rows)) if use_case.log_target else pipeline.predict(rows)
        write_candidate(folder / name, use_case, config, sklearn_graph(use_case, pipeline), train, expected)
