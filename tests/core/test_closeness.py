from __future__ import annotations

import numpy as np

from portfolio.core.closeness import relative_differences


def test_a_value_near_zero_may_be_as_far_off_as_the_large_ones_that_it_is_the_difference_of() -> None:
    expected = np.array([[210_000.0], [-180_000.0], [0.5]])
    assert relative_differences(expected + 0.02, expected).max() < 1e-6


def test_small_values_are_no_closer_for_being_small() -> None:
    expected = np.array([[2e-6], [3e-6], [0.0]])
    np.testing.assert_allclose(relative_differences(1.1 * expected, expected).max(), 0.1)


def test_each_column_has_its_own_size() -> None:
    expected = np.array([[1e6, 1e-3], [2e6, 2e-3]])
    np.testing.assert_allclose(relative_differences(expected + 1e-3, expected)[:, 1], [1e-3 / 1.5e-3, 0.5])


def test_what_is_zero_throughout_is_compared_as_it_is() -> None:
    np.testing.assert_allclose(relative_differences(np.array([0.1, 0.0]), np.zeros(2)), [0.1, 0])
