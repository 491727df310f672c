import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from portfolio.bundle.policy import Prices
from portfolio.contract.config import config_path
from portfolio.contract.loading import load_use_case
from portfolio.core.errors import ConfigError
from tests.workspace import ALL_USE_CASES, edit_config


@pytest.mark.parametrize("name", ALL_USE_CASES)
def test_every_config_loads(workspace: Path, name: str) -> None:
    assert load_use_case(name).config().use_case == name


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  learning_rate:", "  learnign_rate:", "train.learnign_rate: there is no such key"),
        ("max_epochs: 3", "max_epochs: 0", "train.max_epochs.*found 0"),
        ("collect:", "prepare: {val_fraction: 0.8}\ncollect:", "leave rows to train on"),
        ("max_epochs: 3", "max_epochs: [", "not valid YAML"),
        ("train:", "- train:", "not valid YAML"),
        ("gate:", "gaet:", "gaet: there is no such key"),
        ("collect:", "retrain: {cool_down_hours: 9000}\ncollect:", "retrain.cool_down_hours.*found 9000"),
    ],
)
def test_a_fault_is_named_with_its_key_and_value(workspace: Path, old: str, new: str, message: str) -> None:
    path = config_path("toy")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        load_use_case("toy").config()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"by_hand_yen": -6}, r"value\.by_hand_yen: .*greater than or equal to 0 \(found -6\)"),
        ({"error_yen": float("inf")}, r"value\.error_yen: must be a price in yen, .*0 or more \(found inf\)"),
        ({"check_yen": None}, r"value\.check_yen: .*valid number \(found None\)"),
        ({"error_yen": {"ripe": -1, "unripe": 2}}, r"value\.error_yen: must be a price in yen, 0 or more \(found -1\)"),
    ],
)
def test_prices_that_can_not_be(workspace: Path, value: dict[str, Any], message: str) -> None:
    edit_config("toy", value=value)
    with pytest.raises(ConfigError, match=message):
        load_use_case("toy").config()


@pytest.mark.parametrize("price", list(Prices.model_fields))
def test_a_missing_price_is_named(workspace: Path, price: str) -> None:
    path = config_path("toy")
    text = path.read_text()
    path.write_text("".join(line for line in text.splitlines(keepends=True) if f"{price}:" not in line))
    assert path.read_text() != text
    with pytest.raises(ConfigError, match=rf"value\.{price}: is missing"):
        load_use_case("toy").config()


@pytest.mark.parametrize(
    ("use_case", "sections", "message"),
    [
        ("toy", {"value": {"tolerance": 3}}, r"toy\.yaml: value\.tolerance is for quantities.*Leave it out"),
        (
            "toy",
            {"network": {"hiden": 8}},
            r"toy\.yaml, section 'network' does not fit:\n  hiden: there is no",
        ),
        ("toy", {"studies": {"capacity": [{"network.hiden": 8}] * 2}}, r"no key 'network\.hiden'"),
        (
            "toy",
            {"studies": {"ablation": {"x": {"network.hidden": 0}}}},
            r"with \{'network\.hidden': 0\} does not",
        ),
        ("toy", {"tune": {"space": {"train.wieght_decay": {"low": 0, "high": 1}}}}, r"no key 'train\.wieght_decay'"),
        ("toy", {"tune": {"space": {"network.hidden": {"choices": [8, 0]}}}}, r"with .*hidden"),
        ("shapes", {"network": {"channels": [8]}}, r"shapes\.yaml, section 'network' does not fit:\n  channels"),
        ("shapes", {"tune": {"space": {"network.channels": {"choices": [[1, 2], [1]]}}}}, r"with .*channels"),
        (
            "toy",
            {"train": {"augment": True}},
            r"toy\.yaml: train\.augment: 'toy' has no augmentation\. Set it to false",
        ),
        (
            "toy",
            {"tune": {"space": {"train.augment": {"choices": [False, True]}}}},
            r"train\.augment with \{'train\.augment': True\}: 'toy' has no augmentation",
        ),
    ],
)
def test_what_would_fail_after_minutes_is_found_before_anything_runs(
    workspace: Path, use_case: str, sections: dict[str, Any], message: str
) -> None:
    load_use_case(use_case)
    edit_config(use_case, **sections)
    with pytest.raises(ConfigError, match=message):
        load_use_case(use_case)


def test_a_use_case_is_checked_without_heavy_libraries(workspace: Path) -> None:
    code = (
        "import sys; from portfolio.contract.loading import load_use_case, use_case_names; "
        "[load_use_case(name) for name in use_case_names()]; "
        "assert not {'torch', 'sklearn', 'polars'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=workspace, check=True)


def test_an_unknown_use_case_lists_those_there_are(workspace: Path) -> None:
    with pytest.raises(ConfigError, match=rf"no use case 'tpy'.*{', '.join(sorted(ALL_USE_CASES))}"):
        load_use_case("tpy")


def test_what_a_config_does_not_say_has_its_default(workspace: Path) -> None:
    """The prices are all that a config must say, and they are its user's own."""
    config_path("shapes").write_text("value: {by_hand_yen: 6, check_yen: 2, error_yen: 210}\n")
    config = load_use_case("shapes").config()
    assert config.value.prices == Prices(by_hand_yen=6, check_yen=2, error_yen=210)
    assert config.network == {"channels": [16, 32], "dropout": 0.3}
    assert {"network.channels", "train.learning_rate"} <= set(config.tune.space)
    assert list(config.variations())
    config_path("shapes").write_text("collect:\n")
    with pytest.raises(ConfigError, match="value: is missing"):
        load_use_case("shapes")


def test_what_a_config_says_of_studies_stands_in_place_of_the_default(workspace: Path) -> None:
    config = load_use_case("toy").config()
    assert config.studies.seeds == (1, 2)
    assert set(config.studies.ablation) == {"no weight decay"}
    assert config.studies.cross_validate == 2
