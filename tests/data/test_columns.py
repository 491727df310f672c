"""The names of columns of data that would be taken for ours."""

from __future__ import annotations

from portfolio.data.columns import other_names


def test_a_column_by_a_name_of_ours_gets_one_that_none_has() -> None:
    assert other_names(["id", "town"], ["row", "reason"]) == {}
    assert other_names(["row", "row_given", "id"], ["row", "reason"]) == {"row": "row_given_given"}
    assert other_names(["a", "a_given"], ["a", "a_given"]) == {"a": "a_given_given", "a_given": "a_given_given_given"}
