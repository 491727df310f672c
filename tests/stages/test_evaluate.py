import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import pytest

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import MODEL_NAME, read_manifest
from portfolio.contract.loading import load_use_case
from portfolio.core.errors import BundleError, DataError
from portfolio.core.paths import Paths
from portfolio.data.dataset import Split, load_split
from portfolio.stages.evaluate import _check_tolerance
from tests.workspace import ALL_USE_CASES, SHAPES, SMALL, SMALL_CONFIG, edit_config, run_stage, write_use_case

Built = Callable[[str], Path]
QUANTITY = SMALL.replace('Classes("bought", ["no", "yes"])', 'Quantity("size")')


def evaluation(name: str) -> dict[str, object]:
    return dict(json.loads(Paths(name).metrics("evaluate").read_text()))


def evidence(name: str) -> dict[str, Any]:
    return dict(json.loads(Paths(name).metrics("evidence").read_text()))


@pytest.mark.parametrize("name", ALL_USE_CASES)
def test_the_scores_are_of_the_bundles_on_the_test_split(built: Built, name: str) -> None:
    built(name)
    case = load_use_case(name)
    test = load_split(case, "test")
    found = evaluation(name)
    assert found["test_rows"] == len(test)
    for candidate, folder in Paths(name).candidates().items():
        bundle = Bundle.open(folder)
        answers = bundle.predict(test.inputs)
        scores = found["candidates"][candidate]  # type: ignore[index]
        if case.output.task == "classification":
            assert scores["accuracy"] == pytest.approx(np.mean(bundle.decider(answers).answers == test.targets))
        else:
            assert scores["rmse"] == pytest.approx(np.sqrt(np.mean((answers[:, 0] - test.targets) ** 2)))


@pytest.mark.parametrize("name", ALL_USE_CASES)
def test_the_best_is_the_one_that_is_worth_most_on_the_validation_rows(built: Built, name: str) -> None:
    built(name)
    found, candidates = evaluation(name), evidence(name)["candidates"]
    assert set(candidates) == {"constant", *load_use_case(name).candidates(), "network"}
    for candidate in candidates.values():
        low, high = candidate["val"]["interval"]
        assert low <= candidate["val"]["value_yen_per_1000"] <= high
        # Less than was seen: an error that did not happen there may happen yet.
        assert candidate["val"]["expected"] <= candidate["val"]["value_yen_per_1000"]
    most = max(candidate["val"]["expected"] for candidate in candidates.values())
    assert candidates[str(found["best"])]["val"]["expected"] == most
    assert Paths(name).best_folder() == Paths(name).candidates()[str(found["best"])]


def test_the_test_rows_take_no_part_in_the_choice(built: Built) -> None:
    built("toy")
    before = evaluation("toy")
    path = Paths("toy").splits / "test.parquet"
    # The truth turned round, so that whoever was right is wrong.
    turned = pl.col("ripe").replace_strict({"true": "false", "false": "true"})
    pl.read_parquet(path).with_columns(turned.alias("ripe")).write_parquet(path)
    run_stage("evaluate", "toy")
    after = evaluation("toy")
    assert after["candidates"] != before["candidates"]
    assert after["best"] == before["best"]


def test_of_equals_the_smaller_model_is_best(built: Built) -> None:
    built("toy")
    models = Paths("toy").models
    shutil.rmtree(models / "network")
    shutil.copytree(models / "baselines" / "logistic_regression", models / "network")
    model = onnx.load(models / "network" / MODEL_NAME)
    model.doc_string = "as good, and larger"
    raw = model.SerializeToString()
    manifest, _ = read_manifest(models / "network")
    (models / "network" / MODEL_NAME).write_bytes(raw)
    digest = hashlib.sha256(raw).hexdigest()
    manifest = manifest.model_copy(update={"model_sha256": digest, "candidate": "network"})
    (models / "network" / "manifest.json").write_text(manifest.model_dump_json())
    run_stage("evaluate", "toy")
    assert evaluation("toy")["best"] == "logistic_regression"
    assert "network" in evidence("toy")["within_noise"]


@pytest.mark.parametrize("name", ALL_USE_CASES)
def test_the_value_is_what_the_prices_make_of_each_answer(built: Built, name: str) -> None:
    """Added up row by row, by hand, from the bundle that would be served."""
    built(name)
    case, prices = load_use_case(name), load_use_case(name).config().value
    test = load_split(case, "test")
    for candidate, folder in Paths(name).candidates().items():
        bundle = Bundle.open(folder)
        yen = 0.0
        for target, answer in zip(test.targets, bundle.predict(test.inputs).astype(float), strict=True):
            if case.output.task == "classification":
                costs = prices.prices.error_costs(case.output.classes)
                expected = [float(answer @ costs[:, answered]) for answered in range(len(answer))]
                answered = int(np.argmin(expected))
                expected_yen, error_yen = expected[answered], costs[target, answered]
            else:
                assert prices.tolerance is not None
                ratios = bundle.manifest.error_ratios
                levels = np.arange(1, len(ratios) + 1) / (len(ratios) + 1)
                assert isinstance(prices.error_yen, float)
                expected_yen = prices.error_yen * (1 - np.interp(prices.tolerance / answer[1], ratios, levels, left=0))
                error_yen = prices.error_yen * (abs(answer[0] - target) > prices.tolerance)
            yen += prices.by_hand_yen
            yen -= error_yen if expected_yen <= prices.check_yen else prices.check_yen
        scores = evaluation(name)["candidates"][candidate]  # type: ignore[index]
        assert scores["value_yen_per_1000"] == pytest.approx(1000 * yen / len(test), abs=1e-3)


def test_new_prices_move_the_policy_and_leave_the_models_alone(built: Built) -> None:
    built("toy")
    before = {name: Bundle.open(folder).manifest for name, folder in Paths("toy").candidates().items()}
    edit_config("toy", value={"error_yen": 0})
    run_stage("evaluate", "toy")
    val = load_split(load_use_case("toy"), "val")
    for name, folder in Paths("toy").candidates().items():
        manifest = Bundle.open(folder).manifest
        assert manifest.policy is not None
        assert manifest.policy.prices.error_yen == 0
        assert manifest.model_sha256 == before[name].model_sha256
        # Where errors cost nothing, nobody is asked.
        assert Bundle.open(folder).decider(Bundle.open(folder).predict(val.inputs)).by_machine.all()


def test_every_figure_lies_in_its_interval(built: Built) -> None:
    built("toy")
    for name, found in evidence("toy")["candidates"].items():
        figures = evaluation("toy")["candidates"][name]  # type: ignore[index]
        assert found["intervals"].keys() == figures.keys()
        for key, (low, high) in found["intervals"].items():
            assert low - 1e-6 <= figures[key] <= high + 1e-6, (name, key)


def drop(split: str, rows: pl.Expr) -> None:
    path = Paths(SHAPES).splits / f"{split}.parquet"
    pl.read_parquet(path).filter(~rows).write_parquet(path)


def test_test_rows_of_one_class_are_an_error_with_the_remedy(built: Built) -> None:
    built("toy")
    path = Paths("toy").splits / "test.parquet"
    pl.read_parquet(path).filter(pl.col("ripe") == "true").write_parquet(path)
    before = evaluation("toy")
    with pytest.raises(DataError, match=r"no row of class unripe.*raise prepare\.test_fraction"):
        run_stage("evaluate", "toy")
    assert evaluation("toy") == before


def values(targets: list[float]) -> Split:
    return Split({}, np.array(targets), pl.DataFrame())


def test_a_tolerance_that_hardly_a_row_can_miss_is_an_error_with_the_remedy(workspace: Path) -> None:
    """Also if one value lies far out: it alone makes no model worth anything."""
    write_use_case("sizes", QUANTITY, config=SMALL_CONFIG.replace("}", ", tolerance: 10}", 1))
    case = load_use_case("sizes")
    near = [float(number % 20) for number in range(500)]
    for targets in (near, [*near, 1e6], [-1e6, *near, 1e6]):
        with pytest.raises(DataError, match=r"value\.tolerance is 10.*Lower the tolerance in configs/sizes\.yaml"):
            _check_tolerance(case, case.config(), values(targets[:200]), values(targets[200:]))


def test_a_tolerance_that_one_row_in_a_hundred_misses_is_used(workspace: Path) -> None:
    write_use_case("sizes", QUANTITY, config=SMALL_CONFIG.replace("}", ", tolerance: 10}", 1))
    case = load_use_case("sizes")
    _check_tolerance(case, case.config(), values([0.0] * 99), values([30.0]))
    _check_tolerance(case, case.config(), values([0.0, 20.5] * 50), values([0.0]))


def test_a_class_without_a_test_row_does_not_stop_a_project(built: Built, capsys: pytest.CaptureFixture[str]) -> None:
    built(SHAPES)
    drop("test", pl.col("shape") == "O")
    drop("val", pl.col("shape") == "O")
    run_stage("evaluate", SHAPES)
    assert "warning: the test split has no row of class O" in capsys.readouterr().out
    for figures in evaluation(SHAPES)["candidates"].values():  # type: ignore[attr-defined]
        assert all(np.isfinite(value) for value in figures.values())
    run_stage("report", SHAPES)


def test_a_class_without_a_training_row_does_not_stop_a_project(
    built: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its probability is 0, whatever kind of model; and the columns of the other classes stay where they are."""
    built(SHAPES)
    for split in ("train", "val"):
        drop(split, pl.col("shape") == "L")
    for name in ("baselines", "train", "evaluate", "report"):
        run_stage(name, SHAPES)
    case = load_use_case(SHAPES)
    test = load_split(case, "test")
    for name, folder in Paths(SHAPES).candidates().items():
        answers = Bundle.open(folder).predict(test.inputs)
        assert answers.shape == (len(test), 3)
        assert answers[:, 1].max() < 0.05, name
        if name != "constant":
            others = test.targets != 1
            assert np.mean(answers.argmax(axis=1)[others] == test.targets[others]) > 0.6, name


def test_a_damaged_candidate_is_refused_and_the_old_evaluation_stays(built: Built) -> None:
    built("toy")
    before = evaluation("toy")
    model = Paths("toy").models / "network" / MODEL_NAME
    model.write_bytes(model.read_bytes()[:-10])
    with pytest.raises(BundleError, match="SHA-256"):
        run_stage("evaluate", "toy")
    assert evaluation("toy") == before


def test_a_model_that_decides_nothing_and_a_class_that_is_never_found_are_told(
    built: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    built("toy")
    # An error costs so much that nothing is left to the machine.
    edit_config("toy", value={"by_hand_yen": 100, "check_yen": 0.001, "error_yen": 1e9})
    run_stage("evaluate", "toy")
    assert "it leaves every answer to a person, so it adds nothing to checking all of them" in capsys.readouterr().out
    # To miss one of them costs nothing, and to be wrong otherwise a lot.
    edit_config("toy", value={"by_hand_yen": 100, "check_yen": 99, "error_yen": {"ripe": 0, "unripe": 1e9}})
    run_stage("evaluate", "toy")
    assert "it finds none of the" in capsys.readouterr().out
