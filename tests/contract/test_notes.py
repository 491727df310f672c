"""Notes and totals after the rows are none; a row there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from portfolio.core.errors import SourceError
from tests.contract.made import read

SALES = "day,town,sold\n1,Osaka,5\n2,Nara,7\n"


@pytest.mark.parametrize(
    ("end", "sold"),
    [
        ("", [5, 7]),
        ("Source: made up\n", [5, 7]),
        ("Source: made up\n\n", [5, 7]),
        ("\nSource: made up,,\n", [5, 7]),
        ("Total,,12\n", [5, 7]),
        (",2 towns,12\n", [5, 7]),
        ("合計,2,12\n", [5, 7]),
        ("3,Kyoto,9\n", [5, 7, 9]),
        ("3,,9", [5, 7, 9]),
    ],
)
def test_a_later_file_without_the_note_loses_no_row(tmp_path: Path, end: str, sold: list[int]) -> None:
    assert read(tmp_path, SALES + end, skip_footer=2)["sold"].to_list() == sold


@pytest.mark.parametrize("written", [{}, {"skip_footer": 1}])
@pytest.mark.parametrize("end", ["3", "3,Kyo"])
def test_a_file_that_was_cut_off_is_refused_whether_notes_may_follow_or_not(
    tmp_path: Path, end: str, written: dict[str, Any]
) -> None:
    with pytest.raises(SourceError, match=f"was cut off: its last line has . of 3 fields: '{end}'.* Fetch it again"):
        read(tmp_path, SALES + end, **written)


def test_the_end_of_a_text_of_several_lines_is_no_note(tmp_path: Path) -> None:
    rows = read(tmp_path, SALES + '3,"Kyoto\nand around",9\n4,7,"a\nb"\n', skip_footer=1)
    assert rows["sold"].to_list() == ["5", "7", "9", "a\nb"]


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_later_file_may_end_in_another_word(tmp_path: Path, end: str) -> None:
    assert read(tmp_path, SALES + f"Preliminary{end}", skip_footer=1)["sold"].to_list() == [5, 7]
