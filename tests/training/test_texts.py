"""Counts of characters: what scikit-learn counts, and what the graph does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from portfolio.bundle.bundle import to_array
from portfolio.contract.loading import load_use_case
from portfolio.core.errors import ConfigError
from portfolio.data.dataset import load_split
from portfolio.training.baselines import fit_baseline
from portfolio.training.checks import check_candidates
from tests.workspace import REMARKS


def test_a_text_counts_the_same_alone_and_beside_longer_ones(built: Callable[[str], Path]) -> None:
    """Short texts are filled up in a graph, and what fills them must be nothing that a text has, such as "#"."""
    built(REMARKS)
    case = load_use_case(REMARKS)
    (candidate,) = case.candidates().values()
    fitted = fit_baseline(case, candidate, load_split(case, "train"))
    assert any("#" in gram for gram in fitted.model[0].named_transformers_["characters"].vocabulary_)
    texts = ["good", "good #1", "#", "", "😀", "x" * 200, "# # #", "良い", "<padding>"]
    inputs = {"remark": to_array(case.inputs[0], texts)}
    expected = fitted.predict(inputs)
    session = ort.InferenceSession(fitted.graph().SerializeToString(), providers=["CPUExecutionProvider"])
    together = session.run(["probabilities"], {"input_0": inputs["remark"]})[0]
    np.testing.assert_allclose(together, expected, atol=1e-5)
    for row in range(len(texts)):
        (alone,) = session.run(["probabilities"], {"input_0": inputs["remark"][row : row + 1]})
        np.testing.assert_allclose(alone, expected[row : row + 1], atol=1e-5)


def test_counts_that_the_graph_would_make_differently_are_refused_before_training(
    built: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """skl2onnx takes the logarithm of sublinear_tf in the wrong place, and says nothing."""
    built(REMARKS)
    case = load_use_case(REMARKS)

    def sublinear() -> object:
        made = type(case).preprocessor(case)
        ((name, _, column),) = made.transformers
        counted = TfidfVectorizer(analyzer="char", lowercase=False, sublinear_tf=True)
        return made.set_params(transformers=[(name, counted, column)])

    monkeypatch.setattr(case, "preprocessor", sublinear)
    with pytest.raises(ConfigError, match=r"'logistic_regression'.*differs from its model"):
        check_candidates(case)
