from pathlib import Path
from typing import Any

import pytest

from portfolio.config import config_path, load_config
from portfolio.errors import ConfigError
from portfolio.use_case import load_use_case, use_case_names
from portfolio.value import Prices
from tests.conftest import edit_config


@pytest.mark.parametrize("name", use_case_names())
def test_every_config_loads(workspace: Path, name: str) -> None:
    assert load_config(name).use_case == name


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("learning_rate:", "learnign_rate:", "train.learnign_rate: there is no such key"),
        ("max_epochs: 30", "max_epochs: 0", "train.max_epochs.*found 0"),
        ("val_fraction: 0.15", "val_fraction: 0.8", "leave rows to train on"),
        ("until: 2026-01-28", "until: 2025-01-01", "nothing would be collected"),
        ("max_epochs: 30", "max_epochs: [", "not valid YAML"),
    ],
)
def test_a_fault_is_named_with_its_key_and_value(workspace: Path, old: str, new: str, message: str) -> None:
    path = config_path("digits")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        load_config("digits")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"by_hand_yen": -6}, r"value\.by_hand_yen: .*greater than or equal to 0 \(found -6\)"),
        ({"error_yen": float("inf")}, r"value\.error_yen: .*finite number"),
        ({"check_yen": None}, r"value\.check_yen: .*valid number \(found None\)"),
        ({"thresholds": []}, r"value\.thresholds: .*at least 1 item"),
        ({"thresholds": [0.5, float("nan")]}, r"value\.thresholds\.1: .*finite number"),
    ],
)
def test_prices_and_thresholds_that_can_not_be(workspace: Path, value: dict[str, Any], message: str) -> None:
    edit_config("digits", value=value)
    with pytest.raises(ConfigError, match=message):
        load_config("digits")


@pytest.mark.parametrize("price", list(Prices.model_fields))
def test_a_missing_price_is_named(workspace: Path, price: str) -> None:
    path = config_path("digits")
    text = path.read_text()
    path.write_text("".join(line for line in text.splitlines(keepends=True) if f"{price}:" not in line))
    assert path.read_text() != text
    with pytest.raises(ConfigError, match=rf"value\.{price}: is missing"):
        load_config("digits")


def test_an_unknown_use_case_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no use case 'digit'.*digits, housing"):
        load_use_case("digit")
