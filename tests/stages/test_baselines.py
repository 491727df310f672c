import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portfolio.contract.loading import load_use_case
from portfolio.core.errors import BundleError
from portfolio.core.paths import Paths
from portfolio.data.dataset import load_split, sklearn_input
from portfolio.training.baselines import FittedBaseline
from tests.workspace import run_stage

Built = Callable[[str], Path]


def test_a_graph_that_is_not_its_estimator_is_refused_and_the_old_bundle_stays(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two fits on other rows, one's graph and the other's answers."""
    from sklearn.base import clone
    from sklearn.pipeline import Pipeline

    built("toy")
    folder = Paths("toy").models / "baselines" / "logistic_regression"
    before = (folder / "model.onnx").read_bytes()
    case = load_use_case("toy")
    other = load_split(case, "test")
    graph = FittedBaseline.graph

    def of_other_rows(fitted: FittedBaseline) -> Any:
        if not isinstance(fitted.model, Pipeline):
            return graph(fitted)
        model = clone(fitted.model).fit(sklearn_input(case, other.inputs), other.targets)
        return graph(dataclasses.replace(fitted, model=model))

    monkeypatch.setattr(FittedBaseline, "graph", of_other_rows)
    with pytest.raises(BundleError, match="'logistic_regression' differs from its model by"):
        run_stage("baselines", "toy")
    assert (folder / "model.onnx").read_bytes() == before


def test_the_same_stage_twice_gives_the_same_model(built: Built) -> None:
    built("toy")
    path = Paths("toy").models / "baselines" / "logistic_regression" / "model.onnx"
    before = path.read_bytes()
    run_stage("baselines", "toy")
    assert path.read_bytes() == before
