"""Whether no other threshold costs less."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest


@pytest.mark.parametrize(("check", "error"), [(2, 210), (4, 50), (480, 3000), (5, 5), (9, 5)])
def test_it_costs_least(answer: ModuleType, check: float, error: float) -> None:
    probabilities = np.linspace(0, 1, 2001)
    found = answer.threshold(check, error)

    def cost(limit: float) -> float:
        """Expected yen per item, where items are as likely to have any of the probabilities."""
        return float(np.where(probabilities >= limit, (1 - probabilities) * error, check).mean())

    assert 0 <= found <= 1
    assert cost(found) <= min(cost(limit) for limit in np.linspace(0, 1, 501)) + 1e-9
