"""What is a number in a column of texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.contract.made import read


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "2"], [1, 2]),
        (["1", ""], [1, None]),
        (["1.0", "2"], [1.0, 2.0]),
        (["1e3", "-7"], [1000.0, -7.0]),
        ([" 1", "2 "], [1, 2]),
        # What names something stays as it is.
        (["01", "13"], ["01", "13"]),
        (["0.5", "0"], [0.5, 0.0]),
        (["12345678901234567890123", "1"], ["12345678901234567890123", "1"]),
        (["true", "false"], ["true", "false"]),
        (["A", ""], ["A", None]),
        (["", ""], [None, None]),
    ],
)
def test_a_column_of_numbers_has_numbers(tmp_path: Path, cells: list[str], expected: list[Any]) -> None:
    content = "id,x\n" + "".join(f"{number},{cell}\n" for number, cell in enumerate(cells))
    assert read(tmp_path, content)["x"].to_list() == expected


def test_what_is_no_number_far_down_does_not_stop_the_file(tmp_path: Path) -> None:
    """Each row is judged when it is validated."""
    content = "id,x\n" + "".join(f"{number},{number}\n" for number in range(5000)) + "5000,unknown\n"
    table = read(tmp_path, content)
    assert (len(table), table["x"][-1]) == (5001, "unknown")


def test_decimal_commas(tmp_path: Path) -> None:
    table = read(tmp_path, "name;x\nA, B;1,5\nC;-2\n", separator=";", decimal=",")
    assert table.to_dict(as_series=False) == {"name": ["A, B", "C"], "x": [1.5, -2.0]}


def test_what_begins_with_zero_is_no_thousand(tmp_path: Path) -> None:
    """Not even in a column of thousands."""
    table = read(tmp_path, "id;x\n1;1.234\n2;0.875\n3;850\n", separator=";", decimal=",", thousands=".")
    assert table["x"].to_list() == [1234, 0.875, 850]


def test_what_is_written_for_excel_is_what_it_shows(tmp_path: Path) -> None:
    table = read(tmp_path, 'id,x,y\n="007",="1.5",="a"\n"=""008""","=""2""",b\n')
    assert table.to_dict(as_series=False) == {"id": ["007", "008"], "x": [1.5, 2.0], "y": ["a", "b"]}
