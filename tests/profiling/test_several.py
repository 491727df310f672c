"""Categories whose cells say more than one thing."""

from __future__ import annotations

from pathlib import Path

import pytest

from portfolio.profiling.several import several
from tests.profiling.made import ROWS, drafted, with_column


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["Excel", "Excel, R", "R", "R, SQL", "Excel, R, SQL"], "each combination, such as 'Excel, R',"),
        (["a;b", "a;c", "b;c", "a;b;c"], "each combination, such as 'a;b',"),
        (["Paris, France", "Rome, Italy", "Nice, France"], ""),
        (["Mug - Blue / L", "Poster", "T-Shirt - M"], ""),
        ([*(f"築{years}年" for years in range(1, 20)), "新築"], "'築1年' and the like"),
        ([f"grade {number}" for number in range(1, 7)], ""),
        ([f"{number}{letter}" for number in range(1, 7) for letter in "abc"], ""),
        (["yes", "no"], ""),
    ],
)
def test_what_is_several_things_in_one_cell_is_said(values: list[str], said: str) -> None:
    found = several(values)
    assert found.startswith(said)
    assert bool(found) is bool(said)


def test_a_draft_says_it_of_its_inputs(tmp_path: Path) -> None:
    found = drafted(tmp_path, with_column("walk", [f"歩{row % 15}分" for row in range(ROWS)]))
    assert any(note.startswith("'walk': '歩") for note in found.notes)
