"""Each candidate's bundle answers as the scikit-learn estimator that it was made from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from portfolio.bundle.bundle import Bundle
from portfolio.contract.loading import load_use_case
from portfolio.core.paths import Paths
from portfolio.data.dataset import load_split, sklearn_input
from portfolio.evaluation.calibration import softened
from portfolio.training.sklearn_graph import round_to_float32
from tests.conftest import ALL_USE_CASES

Built = Callable[[str], Path]


@pytest.mark.parametrize("name", ALL_USE_CASES)
def test_each_bundle_answers_as_its_estimator_on_rows_that_it_was_not_fitted_on(built: Built, name: str) -> None:
    from sklearn.pipeline import Pipeline

    built(name)
    case = load_use_case(name)
    train, test = load_split(case, "train"), load_split(case, "test")
    inputs = {key: array[:500].copy() for key, array in test.inputs.items()}
    for field in case.inputs:
        # What training may not have seen: the server lets both through.
        if field.kind == "category":
            inputs[field.name][0] = "no such category"
        elif field.nullable:
            inputs[field.name][1] = np.nan
    for candidate, estimator in case.candidates().items():
        preprocessor = case.preprocessor()
        steps: list[tuple[str, Any]] = [] if preprocessor is None else [("preprocessor", preprocessor)]
        model = Pipeline([*steps, ("estimator", estimator)])
        rows = sklearn_input(case, train.inputs)
        model = round_to_float32(model.fit(rows, np.log(train.targets) if case.target.log else train.targets))
        if case.output.task == "classification":
            expected = model.predict_proba(sklearn_input(case, inputs))
        elif case.target.log:
            expected = np.exp(model.predict(sklearn_input(case, inputs)))
        else:
            expected = model.predict(sklearn_input(case, inputs))
        bundle = Bundle.open(Paths(name).models / "baselines" / candidate)
        found = bundle.predict(inputs)[:, : max(1, len(case.output.classes))]
        if case.output.task == "classification":
            expected = softened(expected, bundle.manifest.temperature)
        np.testing.assert_allclose(found, expected.reshape(found.shape), rtol=1e-3, atol=1e-5)
