from __future__ import annotations

import numpy as np
import pytest

from portfolio.monitoring.copies import Copies


def test_a_row_that_came_before_says_nothing_new() -> None:
    random = np.random.default_rng(0)
    rows = {"x": random.normal(size=(100, 8)).astype(np.float32), "text": np.array([["a"], ["b"]] * 50, dtype=object)}
    copies = Copies()
    copies.add(rows)
    assert copies.independent == pytest.approx(100)
    # From another part of the window, and every one: so all say half as much.
    copies.add(rows)
    assert copies.independent == pytest.approx(100)
    copies.add({name: np.repeat(column[:1], 1000, axis=0) for name, column in rows.items()})
    assert copies.independent == pytest.approx(1200**2 / (99 * 2**2 + 1002**2))


def test_rows_that_differ_in_one_place_are_two() -> None:
    copies = Copies()
    copies.add({"x": np.array([[0, 1], [1, 0], [0, 0]], dtype=np.float32), "text": np.array([["a"]] * 3, dtype=object)})
    copies.add({"x": np.array([[0, 1]], dtype=np.float32), "text": np.array([["b"]], dtype=object)})
    assert copies.independent == 4


def test_no_row_says_nothing() -> None:
    assert Copies().independent == 0
