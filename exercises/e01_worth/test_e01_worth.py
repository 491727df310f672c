"""Whether the answer agrees with the engine, which every figure in the report rests on."""

from __future__ import annotations

from types import ModuleType

import pytest

from portfolio.bundle.policy import Prices, saved


@pytest.mark.parametrize("by_machine", [True, False])
@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("prices", [(6, 2, 210), (1200, 480, 3000), (10, 10, 10)])
def test_it_is_what_the_engine_says(
    answer: ModuleType, prices: tuple[float, float, float], by_machine: bool, right: bool
) -> None:
    by_hand, check, error = prices
    engine = saved(Prices(by_hand_yen=by_hand, check_yen=check, error_yen=error), by_machine, 0 if right else error)
    assert answer.saved_yen(*prices, by_machine=by_machine, right=right) == pytest.approx(float(engine))
