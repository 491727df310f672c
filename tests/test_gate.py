from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pytest

from portfolio import gate
from portfolio.bundle import Array, Output
from portfolio.dataset import Split
from portfolio.use_case import load_use_case


@dataclass
class Answers:
    """Stands for a bundle: gives these values, whatever it is asked."""

    values: list[list[float]]

    def predict(self, inputs: dict[str, Array]) -> Array:
        return np.array(self.values, dtype=np.float32)


def side(right: int) -> Answers:
    """Answers to four rows, of the classes 0, 1, 0 and 1; the first `right` of them are right."""
    return Answers([[0.9, 0.1] if (row % 2 == 0) == (row < right) else [0.1, 0.9] for row in range(4)])


def price(error: float) -> Answers:
    return Answers([[10 + error], [20 + error], [30 + error], [40 + error]])


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Any:
    """`judge` for digits (accuracy: more is better) or housing (RMSE: less is better), on four made test rows."""
    case = load_use_case(request.param)
    if request.param == "digits":
        monkeypatch.setattr(type(case), "output", Output(task="classification", name="side", classes=("left", "right")))
        targets = np.array([0, 1, 0, 1])
    else:
        targets = np.array([10.0, 20.0, 30.0, 40.0])
    monkeypatch.setattr(gate, "load_split", lambda case, name: Split({}, targets, pl.DataFrame()))
    return lambda old, new: gate.judge(case, old, new)


@pytest.mark.parametrize("judge", ["digits", "housing"], indirect=True)
def test_the_first_model_is_let_through(judge: Any) -> None:
    assert judge(None, side(4)).promoted


@pytest.mark.parametrize(
    ("judge", "old", "new", "promoted"),
    [
        ("digits", side(2), side(3), True),
        ("digits", side(3), side(3), False),
        ("digits", side(3), side(2), False),
        ("housing", price(5), price(4), True),
        ("housing", price(4), price(-4), False),
        ("housing", price(4), price(5), False),
    ],
    indirect=["judge"],
)
def test_only_better_is_let_through(judge: Any, old: Answers, new: Answers, promoted: bool) -> None:
    verdict = judge(old, new)
    assert verdict.promoted is promoted
    assert verdict.reason.endswith("not better") is not promoted


@pytest.mark.parametrize("judge", ["housing"], indirect=True)
def test_the_reason_has_both_figures_and_what_they_were_measured_on(judge: Any) -> None:
    assert "rmse 4.0000 against the champion's 5.0000 on 4 test rows" in judge(price(5), price(4)).reason
