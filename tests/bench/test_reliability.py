"""What `make reliability` is asked for; tests/serving/test_reliability.py tries its items."""

from __future__ import annotations

import pytest

from bench.reliability.__main__ import options
from bench.reliability.poison import POISONS, batch


def test_an_item_may_have_a_count() -> None:
    assert options(["live-killed=3", "swaps"]) == {"live-killed": {"count": 3}, "swaps": {}}
    assert options([]) == {}


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ("nonsense", "There is no item nonsense. There are: swaps, "),
        ("live-killed=many", "live-killed=many: a count is a whole number"),
        ("week=3", "week=3: week has no count"),
    ],
)
def test_what_can_not_be_asked_for_is_said(item: str, why: str) -> None:
    with pytest.raises(SystemExit, match=why):
        options([item])


def test_a_poison_changes_what_it_is_to_change() -> None:
    for name, change in POISONS.items():
        assert not change(batch(1)).equals(batch(1)), name
