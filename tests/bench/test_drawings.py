"""Which use case drawn digits are read by."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bench.drawings import use_case_of_digits
from portfolio.contract.card import REQUIRED
from portfolio.core.errors import ConfigError
from tests.workspace import TOY

FIGURES = '''"""One row is a figure, four by four."""
from portfolio.contract import Classes, Csv, Image, Images


class Figures(Images):
    source = Csv(path="figures.csv", start="2026-01-05")
    target = Classes("figure", range(10))
    inputs = [Image("ink", 4, 4, maximum=1)]
'''


def write_figures(workspace: Path) -> None:
    folder = workspace / "use_cases" / "figures"
    folder.mkdir()
    (folder / "use_case.py").write_text(FIGURES)
    (folder / "card.yaml").write_text(yaml.safe_dump(dict.fromkeys(REQUIRED, "a text")))
    prices = {"by_hand_yen": 6, "check_yen": 2, "error_yen": 210}
    (workspace / "configs" / "figures.yaml").write_text(yaml.safe_dump({"value": prices}))


def test_the_first_use_case_with_an_image_and_ten_digits_reads_them(workspace: Path) -> None:
    write_figures(workspace)
    (workspace / "params.yaml").write_text(f"use_cases: [{TOY}, figures]\n")
    assert use_case_of_digits().name == "figures"


def test_without_one_it_is_said_what_is_needed(workspace: Path) -> None:
    (workspace / "params.yaml").write_text(f"use_cases: [{TOY}]\n")
    with pytest.raises(ConfigError, match="one image as its input and the classes 0, 1, 2"):
        use_case_of_digits()
