"""What can't be exported is said before anything is trained, in one sentence; what is exported answers as its model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from portfolio.contract.graph_features import GraphFeatures
from portfolio.contract.loading import load_use_case
from portfolio.contract.use_case import UseCase
from portfolio.core.errors import ConfigError
from portfolio.core.paths import Paths
from portfolio.training.checks import check_candidates, check_network
from tests.workspace import SMALL, SMALL_CONFIG, run_stage, write_use_case

QUANTITY = SMALL.replace('Classes("bought", ["no", "yes"])', 'Quantity("bought", 0, 500)')
QUANTITY_CONFIG = SMALL_CONFIG.replace("error_yen: 50}", "error_yen: 50, tolerance: 5}")
METHOD = """
    def candidates(self):
        return {{"mine": {estimator}}}
"""


def case(estimator: str, imports: str, *, quantity: bool = False) -> UseCase:
    """A use case in the workspace with one candidate."""
    code = QUANTITY if quantity else SMALL
    config = QUANTITY_CONFIG if quantity else SMALL_CONFIG
    write_use_case("small", f"{imports}\n{code}{METHOD.format(estimator=estimator)}", config=config)
    return load_use_case("small")


ENSEMBLE = "from sklearn.ensemble import *"
LINEAR = "from sklearn.linear_model import *"
CALIBRATED = "from sklearn.calibration import CalibratedClassifierCV; from sklearn.svm import *"
CLASSIFIERS = {
    "HistGradientBoostingClassifier(max_iter=20)": ENSEMBLE,
    "GradientBoostingClassifier(n_estimators=20)": ENSEMBLE,
    "ExtraTreesClassifier(n_estimators=20)": ENSEMBLE,
    "LGBMClassifier(n_estimators=20, verbose=-1)": "from lightgbm import LGBMClassifier",
    "VotingClassifier([('a', LogisticRegression()), ('b', GaussianNB())], voting='soft')": (
        f"{ENSEMBLE}; {LINEAR}; from sklearn.naive_bayes import GaussianNB"
    ),
    "CalibratedClassifierCV(LinearSVC(), ensemble=False)": CALIBRATED,
    "CalibratedClassifierCV(SVC(), ensemble=False)": CALIBRATED,
}
REGRESSORS = {
    "HistGradientBoostingRegressor(max_iter=20)": ENSEMBLE,
    "LGBMRegressor(n_estimators=20, verbose=-1)": "from lightgbm import LGBMRegressor",
    "HuberRegressor()": LINEAR,
}


@pytest.mark.parametrize(("estimator", "imports"), CLASSIFIERS.items())
def test_common_classifiers_are_exported(workspace: Path, estimator: str, imports: str) -> None:
    assert check_candidates(case(estimator, imports)) == ["mine"]


@pytest.mark.parametrize(("estimator", "imports"), REGRESSORS.items())
def test_common_regressors_are_exported(workspace: Path, estimator: str, imports: str) -> None:
    assert check_candidates(case(estimator, imports, quantity=True)) == ["mine"]


REFUSED: list[tuple[str, str, str]] = [
    ("DummyClassifier()", "from sklearn.dummy import *", r"DummyClassifier can't be exported to ONNX \(.*Use one that"),
    ("SVC()", "from sklearn.svm import SVC", r"SVC gives no probabilities.*CalibratedClassifierCV"),
    ("RidgeClassifier()", LINEAR, "RidgeClassifier gives no probabilities"),
    (
        "HistGradientBoostingClassifier(categorical_features=[1])",
        ENSEMBLE,
        r"HistGradientBoostingClassifier splits by categories.*Leave that option out",
    ),
    (
        "BaggingClassifier(HistGradientBoostingClassifier(categorical_features=[1]), n_estimators=2)",
        ENSEMBLE,
        r"BaggingClassifier splits by categories|BaggingClassifier can't be exported",
    ),
    (
        "CalibratedClassifierCV(LogisticRegression(), method='isotonic')",
        f"{CALIBRATED}; {LINEAR}",
        "graph of 'mine' differs from its model by .*choose another estimator",
    ),
    ("LogisticRegression(C='high')", LINEAR, r"'mine', a LogisticRegression, fails on .*'C' parameter .*must be"),
    ("LogisticRegression().fit", LINEAR, r"gives no probabilities"),
]


@pytest.mark.parametrize(("estimator", "imports", "message"), REFUSED)
def test_what_can_not_be_exported_is_refused_in_one_sentence(
    workspace: Path, estimator: str, imports: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=rf"(?s)use_cases/small/use_case\.py: candidates\(\).*({message})") as caught:
        check_candidates(case(estimator, imports))
    assert len(str(caught.value)) < 700


def test_one_that_wants_more_rows_is_tried_with_the_real_ones(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = case("KNeighborsClassifier(n_neighbors=5000)", "from sklearn.neighbors import KNeighborsClassifier")
    assert check_candidates(mine) == ["mine"]
    assert "mine: not tried, since it can't be fitted on made-up rows (Expected n_neighbors" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["constant", "network", "My model", ""])
def test_a_name_that_can_be_none_is_refused(workspace: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"'{name}' can't be a candidate's name"):
        check_candidates(renamed(name))


def renamed(name: str) -> UseCase:
    method = METHOD.replace('"mine"', repr(name))
    write_use_case("small", f"{LINEAR}\n{SMALL}{method.format(estimator='LogisticRegression()')}")
    return load_use_case("small")


def test_a_network_of_the_wrong_shape_is_refused(workspace: Path) -> None:
    network = (
        "\n    def network(self, params, width):\n        import torch\n        return torch.nn.Linear(width, 3)\n"
    )
    write_use_case("small", SMALL + network)
    mine = load_use_case("small")
    with pytest.raises(ConfigError, match=r"outputs of shape \[4, 3\].*one logit for each of the 2 classes"):
        check_network(mine, mine.config())


def test_the_stage_says_which_candidates_can_be_trained(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_stage("check", "toy")
    assert json.loads(Paths("toy").checked.read_text()) == {"candidates": ["logistic_regression"]}
    assert capsys.readouterr().out == "can be exported: logistic_regression, network\n"


@pytest.mark.parametrize("estimator", ["DecisionTreeClassifier", "HistGradientBoostingClassifier", "LGBMClassifier"])
def test_a_row_on_a_threshold_goes_the_same_way_in_the_graph(estimator: str) -> None:
    """A threshold lies between float32 neighbours; rounded as it is, it could meet one of them."""
    import lightgbm
    import sklearn.ensemble
    import sklearn.tree
    from sklearn.pipeline import Pipeline

    from portfolio.bundle.manifest import InputField, Output
    from portfolio.training.sklearn_graph import round_to_float32, sklearn_graph

    values = np.nextafter(np.float32(1), np.float32(2)) + np.arange(64, dtype=np.float32) * np.float32(2**-23)
    rows, targets = np.repeat(values, 20).reshape(-1, 1), np.repeat(np.arange(64) % 2, 20)
    rooms = (sklearn.tree, sklearn.ensemble, lightgbm)
    (made,) = [getattr(room, estimator) for room in rooms if hasattr(room, estimator)]
    model = round_to_float32(Pipeline([("estimator", made(random_state=0))]).fit(rows, targets))
    graph = sklearn_graph(
        GraphFeatures(Path("none"), [InputField(name="x", kind="number")]),
        Output(task="classification", name="y", classes=("a", "b")),
        model,
    )
    import onnxruntime as ort

    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(["probabilities"], {"input_0": rows})
    np.testing.assert_allclose(found, model.predict_proba(rows), atol=1e-6)
