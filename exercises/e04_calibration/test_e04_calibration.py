"""Whether honest confidence is told from boasting."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest


def test_small_cases_by_hand(answer: ModuleType) -> None:
    error = answer.expected_calibration_error
    assert error(np.array([1.0, 1.0]), np.array([True, True])) == pytest.approx(0)
    assert error(np.array([1.0, 1.0]), np.array([True, False])) == pytest.approx(0.5)
    assert error(np.array([0.72, 0.78]), np.array([True, False])) == pytest.approx(0.25)
    assert error(np.array([0.05, 0.95, 0.95, 0.95]), np.array([False, True, True, False])) == pytest.approx(0.225)


def test_honest_confidence_has_a_small_error_and_boasting_a_large_one(answer: ModuleType) -> None:
    random = np.random.default_rng(0)
    confidence = random.uniform(0.5, 1, 20_000)
    right = random.uniform(size=20_000) < confidence
    assert answer.expected_calibration_error(confidence, right) < 0.02
    assert answer.expected_calibration_error(np.sqrt(confidence), right) > 0.08
