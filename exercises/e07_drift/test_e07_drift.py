"""Whether a change is seen, and none where there is none."""

from __future__ import annotations

from types import ModuleType

import pytest


def test_nothing_has_changed(answer: ModuleType) -> None:
    assert answer.stability_index([0.2, 0.3, 0.5], [0.2, 0.3, 0.5]) == pytest.approx(0)


def test_known_values(answer: ModuleType) -> None:
    assert answer.stability_index([0.5, 0.5], [0.6, 0.4]) == pytest.approx(0.04055, abs=1e-4)
    assert answer.stability_index([0.25, 0.25, 0.5], [0.1, 0.2, 0.7]) == pytest.approx(0.21590, abs=1e-4)


def test_it_does_not_matter_which_is_which(answer: ModuleType) -> None:
    one, other = [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]
    assert answer.stability_index(one, other) == pytest.approx(answer.stability_index(other, one))


def test_an_empty_bin_is_a_large_change_and_no_error(answer: ModuleType) -> None:
    assert answer.stability_index([0.5, 0.5, 0], [0.4, 0.3, 0.3]) > 2
