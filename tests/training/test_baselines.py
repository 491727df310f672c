"""Each candidate's bundle answers as the scikit-learn estimator that it was made from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from portfolio.bundle.bundle import Bundle
from portfolio.contract.loading import load_use_case
from portfolio.contract.made_up import made_up_rows
from portfolio.core.errors import BundleError
from portfolio.core.paths import Paths
from portfolio.data.dataset import as_split, load_split, sklearn_input
from portfolio.data.normalize import normalize
from portfolio.evaluation.calibration import softened
from portfolio.training.baselines import unfitted
from portfolio.training.sklearn_graph import round_to_float32
from tests.workspace import ALL_USE_CASES, SMALL_CONFIG, write_use_case

Built = Callable[[str], Path]
GAPS = """
from portfolio.contract import Category, Classes, Csv, Number, Quantity, Table


class Gaps(Table):
    source = Csv(path="rows.csv", key="id", start="2026-01-05")
    target = {target}
    inputs = [
        Number("gappy", 0, 1, missing=True),
        Number("whole", 0, 1, missing=True),
        Category("town", ["A", "B", "C"], missing=True),
    ]
"""


@pytest.mark.parametrize("name", ALL_USE_CASES)
def test_each_bundle_answers_as_its_estimator_on_rows_that_it_was_not_fitted_on(built: Built, name: str) -> None:
    built(name)
    case = load_use_case(name)
    train, test = load_split(case, "train"), load_split(case, "test")
    inputs = {key: array[:500].copy() for key, array in test.inputs.items()}
    for field in case.inputs:
        # What training may not have seen: the server lets both through.
        if field.kind == "category":
            inputs[field.name][0] = "no such category"
        elif field.nullable:
            inputs[field.name][1] = "" if field.is_string else np.nan
    for candidate, estimator in case.candidates().items():
        model = unfitted(case, estimator)
        rows = sklearn_input(case, train.inputs)
        model = round_to_float32(model.fit(rows, np.log(train.targets) if case.target.log else train.targets))
        if case.output.task == "classification":
            expected = model.predict_proba(sklearn_input(case, inputs))
        elif case.target.log:
            expected = np.exp(model.predict(sklearn_input(case, inputs))).clip(train.targets.min(), train.targets.max())
        else:
            expected = model.predict(sklearn_input(case, inputs))
        bundle = Bundle.open(Paths(name).models / "baselines" / candidate)
        found = bundle.predict(inputs)[:, : max(1, len(case.output.classes))]
        if case.output.task == "classification":
            expected = softened(expected, bundle.manifest.temperature)
        np.testing.assert_allclose(found, expected.reshape(found.shape), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "target", ['Classes("kind", ["a", "b"])', 'Classes("kind", list("abcd"))', 'Quantity("kind", 100_000, 300_000)']
)
def test_lightgbm_takes_missing_and_unseen_values_as_its_graph_does(workspace: Path, target: str) -> None:
    """A number that was missing in training, one that never was, and categories that were not there."""
    from portfolio.training.baselines import fit_baseline
    from portfolio.training.parity import check_parity

    tolerance = "}" if "Classes" in target else ", tolerance: 9}"
    write_use_case("gaps", GAPS.format(target=target), config=SMALL_CONFIG.replace("}", tolerance, 1))
    case = load_use_case("gaps")
    rows = as_split(case, normalize(case, made_up_rows(case, 600)).frame)
    rows.inputs["whole"][np.isnan(rows.inputs["whole"])] = 0.5
    fitted = fit_baseline(case, case.candidates()["lightgbm"], rows)
    asked = {name: array[:50].copy() for name, array in rows.inputs.items()}
    for name in ("gappy", "whole"):
        asked[name][:10] = np.nan
    asked["town"][5:15] = "no such town"
    asked["town"][15:20] = ""
    check_parity("lightgbm", fitted.graph().SerializeToString(), case, asked, fitted.predict(asked))
    # As they are, and not as some value in their place.
    for name, value in (("gappy", 0.5), ("town", "B")):
        filled = asked | {name: np.full_like(asked[name], value)}
        assert np.abs(fitted.predict(filled) - fitted.predict(asked))[:20].max() > 0.01


@pytest.mark.parametrize(("scale", "off", "is_right"), [(1e6, 1e-9, True), (1e-6, 0.01, False)])
def test_a_graph_is_compared_on_the_scale_of_its_values(
    workspace: Path, scale: float, off: float, is_right: bool
) -> None:
    """`off` is how far all answers are off, as a share of the target's range around 0."""
    from portfolio.training.baselines import fit_baseline
    from portfolio.training.parity import check_parity

    target = f'Quantity("kind", {-scale}, {scale})'
    write_use_case("gaps", GAPS.format(target=target), config=SMALL_CONFIG.replace("}", f", tolerance: {scale}}}", 1))
    case = load_use_case("gaps")
    rows = as_split(case, normalize(case, made_up_rows(case, 600)).frame)
    fitted = fit_baseline(case, case.candidates()["ridge"], rows)
    raw, expected = fitted.graph().SerializeToString(), fitted.predict(rows.inputs) + off * scale
    if is_right:
        assert check_parity("ridge", raw, case, rows.inputs, expected) < 1e-5
    else:
        with pytest.raises(BundleError, match="differs from its model"):
            check_parity("ridge", raw, case, rows.inputs, expected)


def test_where_the_logarithm_is_learned_no_input_is_so_far_off_that_the_answer_is_beyond_all_that_was_learned(
    workspace: Path,
) -> None:
    """The exponential of a linear model's answer would be infinite, and no error's scale could be learned from it."""
    from portfolio.training.baselines import fit_baseline
    from portfolio.training.network import TargetScale
    from portfolio.training.parity import check_parity

    code = GAPS.format(target='Quantity("kind", 1, 500, log=True)').replace('"whole", 0, 1', '"whole"')
    write_use_case("gaps", code, config=SMALL_CONFIG.replace("}", ", tolerance: 9}", 1))
    case = load_use_case("gaps")
    rows = as_split(case, normalize(case, made_up_rows(case, 600)).frame)
    asked = {name: array[:3].copy() for name, array in rows.inputs.items()}
    asked["whole"][:] = [[-1e6], [0.5], [1e6]]
    for estimator in case.candidates().values():
        fitted = fit_baseline(case, estimator, rows)
        found = fitted.predict(asked)
        assert rows.targets.min() * 0.999 <= found.min() <= found.max() <= rows.targets.max() * 1.001
        check_parity("gaps", fitted.graph().SerializeToString(), case, asked, found)
    lowest, highest = TargetScale.of(case, rows.targets).head()(torch.tensor([-1e6, 1e6])).tolist()
    assert (lowest, highest) == pytest.approx((rows.targets.min(), rows.targets.max()), rel=1e-3)


def test_a_forest_of_many_rows_stays_small(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.ensemble import BaggingRegressor, ExtraTreesRegressor, RandomForestRegressor

    from portfolio.training import baselines

    monkeypatch.setattr(baselines, "MAX_TREE_ROWS", 100)
    config = SMALL_CONFIG.replace("}", ", tolerance: 9}", 1)
    write_use_case("gaps", GAPS.format(target='Quantity("kind", 0, 1)'), config=config)
    case = load_use_case("gaps")
    rows = as_split(case, normalize(case, made_up_rows(case, 600)).frame)
    forest = baselines.fit_baseline(case, RandomForestRegressor(5, random_state=0), rows).model[-1]
    assert max(tree.tree_.n_node_samples[0] for tree in forest.estimators_) <= 100
    # Whoever has said how many rows a tree sees is heeded; others have no such bound.
    own = baselines.fit_baseline(case, RandomForestRegressor(5, max_samples=0.5, random_state=0), rows).model[-1]
    assert own.max_samples == 0.5
    for other in (ExtraTreesRegressor(5), BaggingRegressor(n_estimators=2)):
        baselines.fit_baseline(case, other, rows)


def test_of_a_thousand_classes_only_what_stays_small_is_tried(workspace: Path) -> None:
    write_use_case("gaps", GAPS.format(target='Classes("kind", range(1000))'))
    assert set(load_use_case("gaps").candidates()) == {"decision_tree"}
