import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from portfolio.bundle import MODEL_NAME, Bundle
from portfolio.dataset import load_split
from portfolio.errors import BundleError
from portfolio.paths import Paths
from portfolio.use_case import load_use_case
from tests.conftest import run_stage

Built = Callable[[str], Path]


def evaluation(name: str) -> dict[str, object]:
    return dict(json.loads(Paths(name).metrics("evaluate").read_text()))


@pytest.mark.parametrize("name", ["digits", "housing"])
def test_the_scores_are_of_the_bundles_on_the_test_split(built: Built, name: str) -> None:
    built(name)
    case = load_use_case(name)
    test = load_split(case, "test")
    found = evaluation(name)
    assert found["test_rows"] == len(test)
    for candidate, folder in Paths(name).candidates().items():
        answers = Bundle.open(folder).predict(test.inputs)
        scores = found["candidates"][candidate]  # type: ignore[index]
        if case.output.task == "classification":
            assert scores["accuracy"] == pytest.approx(np.mean(answers.argmax(axis=1) == test.targets))
        else:
            assert scores["rmse"] == pytest.approx(np.sqrt(np.mean((answers[:, 0] - test.targets) ** 2)))


@pytest.mark.parametrize(("name", "better"), [("digits", max), ("housing", min)])
def test_the_best_is_named_by_the_deciding_metric(built: Built, name: str, better: Callable[..., str]) -> None:
    built(name)
    found = evaluation(name)
    metric = load_use_case(name).metric
    scores = found["candidates"]
    assert isinstance(scores, dict)
    assert len(scores) > 1
    assert found["best"] == better(scores, key=lambda candidate: scores[candidate][metric])
    assert Paths(name).best_folder().name == found["best"]


def test_of_equals_the_simpler_one_is_best(built: Built) -> None:
    built("digits")
    models = Paths("digits").models
    shutil.rmtree(models / "network")
    shutil.copytree(models / "baselines" / "logistic_regression", models / "network")
    run_stage("evaluate", "digits")
    assert evaluation("digits")["best"] == "logistic_regression"


def test_every_candidate_has_its_plot(built: Built) -> None:
    built("digits")
    plots = {path.name: path.read_bytes()[:4] for path in (Paths("digits").plots / "predictions").iterdir()}
    assert plots == {f"{name}.png": b"\x89PNG" for name in Paths("digits").candidates()}


def test_a_damaged_candidate_is_refused_and_the_old_evaluation_stays(built: Built) -> None:
    built("digits")
    before = evaluation("digits")
    model = Paths("digits").models / "network" / MODEL_NAME
    model.write_bytes(model.read_bytes()[:-10])
    with pytest.raises(BundleError, match="SHA-256"):
        run_stage("evaluate", "digits")
    assert evaluation("digits") == before
