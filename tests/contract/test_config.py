import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from portfolio.bundle.policy import Prices
from portfolio.contract.config import config_path, load_config
from portfolio.contract.use_case import load_use_case, use_case_names
from portfolio.core.errors import ConfigError
from tests.conftest import ROOT, edit_config


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


@pytest.mark.parametrize(
    ("use_case", "sections", "message"),
    [
        (
            "digits",
            {"value": {"thresholds": [0.5, 1.5]}},
            r"digits\.yaml: value\.thresholds: 1\.5 can be no probability",
        ),
        ("digits", {"value": {"thresholds": [-0.1]}}, r"value\.thresholds: -0\.1"),
        ("digits", {"value": {"tolerance": 3}}, r"digits\.yaml: value\.tolerance: .*nothing would read it"),
        ("housing", {"value": {"tolerance": None}}, r"housing\.yaml: value\.tolerance is missing"),
        (
            "digits",
            {"network": {"dropuot": 0.1}},
            r"digits\.yaml, section 'network' does not fit:\n  dropuot: there is no",
        ),
        ("digits", {"studies": {"capacity": [{"network.chanels": [1, 2]}] * 2}}, r"no key 'network\.chanels'"),
        (
            "digits",
            {"studies": {"ablation": {"x": {"network.dropout": 2}}}},
            r"with \{'network\.dropout': 2\} does not",
        ),
        ("digits", {"tune": {"space": {"train.wieght_decay": {"low": 0, "high": 1}}}}, r"no key 'train\.wieght_decay'"),
        ("digits", {"tune": {"space": {"network.channels": {"choices": [[1, 2], [1]]}}}}, r"with .*channels"),
    ],
)
def test_what_would_fail_after_minutes_is_found_before_anything_runs(
    workspace: Path, use_case: str, sections: dict[str, Any], message: str
) -> None:
    load_use_case(use_case).config()
    edit_config(use_case, **sections)
    with pytest.raises(ConfigError, match=message):
        load_use_case(use_case).config()


@pytest.mark.parametrize("threshold", [".nan", ".inf"])
def test_a_threshold_is_a_number(workspace: Path, threshold: str) -> None:
    path = config_path("digits")
    path.write_text(path.read_text().replace("thresholds: [0,", f"thresholds: [{threshold},"))
    with pytest.raises(ConfigError, match=r"value\.thresholds\.0: .*finite number"):
        load_config("digits")


def test_a_config_is_checked_without_torch() -> None:
    code = (
        "import sys; from portfolio.contract.use_case import *; [load_use_case(n).config() for n in use_case_names()]"
    )
    code += "; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_an_unknown_use_case_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no use case 'digit'.*digits, housing"):
        load_use_case("digit")
