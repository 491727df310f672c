"""Studies: what is varied is varied, what is repeated is spread, and the report shows it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from portfolio.cli.main import app
from portfolio.contract.config import STUDIES
from portfolio.contract.loading import load_use_case
from portfolio.contract.sources import Cell
from portfolio.core.errors import ConfigError
from portfolio.core.paths import Paths
from portfolio.data.dataset import load_split
from portfolio.data.split import identities
from portfolio.report.words import PAGES
from portfolio.training import studies
from tests.workspace import edit_config, environment_kept, run_stage

Built = Callable[[str], Path]


def run(name: str) -> dict[str, Any]:
    invoked = CliRunner().invoke(app, ["study", name, "toy", "--uncached"])
    if invoked.exception:
        raise invoked.exception
    return result(name, Path())


def result(name: str, folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / Paths("toy").study(name)).read_text()))


@pytest.fixture(scope="module")
def studied(built_once: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every study was made. Not to be changed."""
    folder = tmp_path_factory.mktemp("studied") / "toy"
    shutil.copytree(built_once("toy"), folder)
    with chdir(folder), environment_kept():
        os.environ["PORTFOLIO_STATE"] = str(folder / ".state")
        same_value = load_use_case("toy").config().train.weight_decay
        edit_config("toy", studies={"ablation": {"nothing else": {"train.weight_decay": same_value}}})
        for name in STUDIES:
            run(name)
    return folder


def test_the_learning_curve_takes_more_and_more_rows(built: Built, studied: Path) -> None:
    built("toy")
    found = result("learning-curve", studied)
    rows = len(load_split(load_use_case("toy"), "train"))
    assert [point["train_rows"] for point in found["points"]] == [round(0.5 * rows), rows]
    for point in found["points"]:
        assert point["repetitions"] == ["seed 1", "seed 2"]
        # Another seed is another training.
        assert len(set(point["val"]["log_loss"])) == 2


def test_capacity_goes_from_small_to_large(studied: Path) -> None:
    parameters = [point["parameters"] for point in result("capacity", studied)["points"]]
    assert parameters == sorted(set(parameters))


def test_an_ablation_stands_beside_the_config_as_it_is(studied: Path) -> None:
    configured, same = result("ablation", studied)["points"]
    assert configured["name"] == studies.AS_CONFIGURED
    assert configured["val"] == same["val"]


def test_cross_validation_holds_each_row_out_once_for_every_candidate(built: Built) -> None:
    built("toy")
    case, config = load_use_case("toy"), load_use_case("toy").config()
    train, val = load_split(case, "train"), load_split(case, "val")
    trainings = list(studies.TRAININGS["cross-validate"](case, config, train, val))
    assert {training.point for training in trainings} == {"constant", "logistic_regression", "network"}
    everything = sorted([*train.rows["melon"], *val.rows["melon"]])
    for name in {training.point for training in trainings}:
        folds = [training for training in trainings if training.point == name]
        assert sorted(key for fold in folds for key in fold.val.rows["melon"]) == everything
        for fold in folds:
            assert not set(fold.val.rows["melon"]) & set(fold.train.rows["melon"])


def test_rows_that_belong_together_share_a_fold_and_are_compared_with_rows_on_their_own(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    built("toy")
    case, config = load_use_case("toy"), load_use_case("toy").config()
    monkeypatch.setattr(case.source, "split_by", (Cell("weight", 0.01), "colour"))
    train, val = load_split(case, "train"), load_split(case, "val")
    trainings = list(studies.TRAININGS["cross-validate"](case, config, train, val))
    assert len(trainings) == 2 * 3 * config.studies.cross_validate
    for training in trainings:
        sides = [identities(case.source, split.rows) for split in (training.train, training.val)]
        seen, asked = [set(side.to_series()) for side in sides]
        if training.by_row:
            assert len(seen & asked) > 50
        else:
            assert not seen & asked
    for by_row in (False, True):
        folds = [one for one in trainings if one.by_row == by_row and one.point == "constant"]
        assert sum(len(fold.val) for fold in folds) == len(train) + len(val)


def test_the_result_has_both_and_the_report_shows_them(
    built: Built, studied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built("toy")
    assert "by_row" not in result("cross-validate", studied)
    monkeypatch.setattr(load_use_case("toy").source, "split_by", ("colour",))
    found = run("cross-validate")
    names = ["constant", "logistic_regression", "network"]
    assert [[point["name"] for point in found[key]] for key in ("points", "by_row")] == [names, names]
    assert found["points"] != found["by_row"]
    prices = load_use_case("toy").config().value
    for point in [*found["points"], *found["by_row"]]:
        values = point["val"]["value_yen_per_1000"]
        assert len(values) == len(point["repetitions"])
        # What a perfect model saves, and what one saves that never answers but for certain.
        assert max(values) <= 1000 * prices.by_hand_yen
    constant = found["points"][0]["val"]["value_yen_per_1000"]
    assert constant == pytest.approx([1000 * (prices.by_hand_yen - prices.check_yen)] * len(constant))
    run_stage("report", "toy")
    for name in ("index.html", "interview.md"):
        assert "with each row assigned on its own" in (Paths("toy").report / name).read_text()


def test_a_key_that_is_not_there_is_named(built: Built) -> None:
    built("toy")
    edit_config("toy", studies={"ablation": {"typo": {"train.wieght_decay": 0}}})
    with pytest.raises(ConfigError, match=r"no key 'train\.wieght_decay'"):
        run("ablation")
    assert not Paths("toy").study("ablation").exists()
    # Before DVC is asked, which knows nothing of this folder.
    assert isinstance(CliRunner().invoke(app, ["study", "ablation", "toy"]).exception, ConfigError)


def test_the_report_shows_the_studies_that_there_are(built: Built, studied: Path) -> None:
    built("toy")
    paths = Paths("toy")
    assert not paths.report_is_stale()
    for name in STUDIES:
        paths.study(name).parent.mkdir(exist_ok=True)
        shutil.copyfile(studied / paths.study(name), paths.study(name))
    assert paths.report_is_stale()
    run_stage("report", "toy")
    assert not paths.report_is_stale()
    for page in PAGES.values():
        text = (paths.report / page).read_text()
        assert all(f"portfolio study {name} toy" in text for name in STUDIES)
