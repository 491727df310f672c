"""Numbers of things in messages."""

from __future__ import annotations

import pytest

from portfolio.core.counted import counted


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (counted(1, "row"), "1 row"),
        (counted(0, "row"), "0 rows"),
        (counted(12_000, "row"), "12,000 rows"),
        (counted(1, "batch", "batches"), "1 batch"),
        (counted(2, "batch", "batches"), "2 batches"),
    ],
)
def test_one_is_singular(said: str, expected: str) -> None:
    assert said == expected
