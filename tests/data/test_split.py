"""Which rows share a split: those of one person or place, and those of one cell."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from portfolio.bundle.manifest import PredefinedSplit, SplitRule
from portfolio.contract.config import Prepare
from portfolio.contract.loading import load_use_case
from portfolio.contract.sources import Cell, Csv
from portfolio.core.errors import ConfigError
from portfolio.data.normalize import normalize
from portfolio.data.split import identities, is_test_row, split_numbers, split_rule
from tests.workspace import SMALL, write_use_case


def source(*split_by: str | Cell) -> Csv:
    return Csv(path="rows.csv", key="id", start="2026-01-05", split_by=split_by)


def places(*pairs: tuple[float | None, float | None]) -> pl.DataFrame:
    x, y = zip(*pairs, strict=True)
    return pl.DataFrame({"id": [f"row-{number}" for number in range(len(pairs))], "x": x, "y": y})


def units(split_by: tuple[str | Cell, ...], rows: pl.DataFrame) -> list[str]:
    (column,) = identities(source(*split_by), rows).get_columns()
    return column.to_list()


def keyed(numbers: range) -> pl.DataFrame:
    return pl.DataFrame({"id": [f"row-{number:05d}" for number in numbers]})


def ids(rows: pl.DataFrame, **fractions: float) -> list[set[str]]:
    """The rows of each split, as their keys: test, val, train."""
    splits = split_numbers(source(), rows, Prepare(**fractions))
    return [set(rows.filter(pl.Series(splits == number))["id"]) for number in range(3)]


def test_the_shares_are_those_of_the_config() -> None:
    # Four standard deviations of a share of 20,000 rows are at most 0.013.
    for found, share in zip(
        ids(keyed(range(20_000)), test_fraction=0.3, val_fraction=0.1), (0.3, 0.1, 0.6), strict=True
    ):
        assert len(found) / 20_000 == pytest.approx(share, abs=0.013)


def test_a_row_never_moves_when_data_grow_or_come_in_another_order() -> None:
    before, after = ids(keyed(range(500))), ids(pl.concat([keyed(range(499, -1, -1)), keyed(range(500, 3000))]))
    for old, new in zip(before, after, strict=True):
        assert old
        assert new & set(keyed(range(500))["id"]) == old


def test_a_larger_validation_split_takes_no_row_from_test() -> None:
    before, after = ids(keyed(range(2000)), val_fraction=0.15), ids(keyed(range(2000)), val_fraction=0.4)
    assert after[0] == before[0]
    assert before[1] < after[1]


def test_rows_that_belong_together_share_a_split() -> None:
    """A row that lacks what they share stands for itself."""
    fields = np.random.default_rng(0).integers(0, 500, 2000)
    rows = keyed(range(2000)).with_columns(
        field=pl.Series(fields), row=pl.Series([None if field % 10 == 0 else str(field % 7) for field in fields])
    )
    numbers = split_numbers(source("field", "row"), rows, Prepare())
    splits = [rows.filter(pl.Series(numbers == number)) for number in range(3)]
    found = [set(part.drop_nulls().select("field", "row").iter_rows()) for part in splits]
    assert sum(len(part) for part in found) == len(set.union(*found)) > 400
    alone = [set(part.filter(pl.col("row").is_null())["field"]) for part in splits]
    assert set.intersection(*alone)


def test_rows_of_one_cell_belong_together() -> None:
    rows = places((-122.23, 37.88), (-122.19, 37.91), (-122.19, 37.98), (-122.31, 37.88), (0.01, -0.01), (-0.01, 0.01))
    first, near, north, west, *origin = units((Cell("x", 0.1), Cell("y", 0.1)), rows)
    assert first == near
    assert len({first, north, west, origin[0]}) == 4
    assert origin[0] == origin[1], "0 and -0 are one cell"


def test_a_cell_may_stand_beside_a_column() -> None:
    rows = places((0.2, 1), (0.4, 1), (0.4, 2))
    one, same, other = units((Cell("x", 1), "y"), rows)
    assert one == same != other


def test_a_row_without_a_place_stands_on_its_own() -> None:
    rows = places((None, 1), (None, 1), (float("inf"), 1), (float("nan"), 1), (1, 1))
    assert units((Cell("x", 1), "y"), rows)[:4] == ["row-0", "row-1", "row-2", "row-3"]


def test_no_cell_is_in_two_splits_and_each_split_has_its_share() -> None:
    random = np.random.default_rng(0)
    rows = places(*random.uniform(0, 10, (20_000, 2)).tolist())
    splits = split_numbers(source(Cell("x", 0.1), Cell("y", 0.1)), rows, Prepare(test_fraction=0.2, val_fraction=0.1))
    cells = np.floor(rows.select("x", "y").to_numpy() / 0.1 + 0.5).astype(int)
    found = [{tuple(cell) for cell in cells[splits == number]} for number in range(3)]
    assert sum(map(len, found)) == len(set.union(*found)) > 8000
    for number, share in enumerate((0.2, 0.1, 0.7)):
        # Four standard deviations of a share of 10,000 cells with two rows each are 0.03 at most.
        assert np.mean(splits == number) == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("size", [0, -1, float("nan"), float("inf")])
def test_a_cell_needs_a_size(size: float) -> None:
    with pytest.raises(ConfigError, match="the size must be greater than 0"):
        Cell("x", size)


def test_one_column_that_is_no_list_is_named() -> None:
    """Python would take its letters for columns."""
    with pytest.raises(ConfigError, match=r'split_by=\["person"\]'):
        Csv(path="rows.csv", start="2026-01-05", split_by="person")


WITH_CELL = SMALL.replace('key="id",', 'key="id", split_by=[Cell("{}", 2)],').replace("Category,", "Category, Cell,")


def test_a_cell_of_a_category_is_named_before_any_data_is_read(workspace: object) -> None:
    write_use_case("small", WITH_CELL.format("town"))
    with pytest.raises(ConfigError, match="a Cell needs a column of numbers, and 'town'"):
        load_use_case("small")


def test_a_cell_of_a_column_that_is_no_input_is_read_as_numbers(workspace: object) -> None:
    write_use_case("small", WITH_CELL.format("street"))
    case = load_use_case("small")
    frame = {"id": ["a", "b", "c"], "age": [1, 2, 3], "town": ["A"] * 3, "bought": ["no"] * 3}
    found = normalize(case, pl.DataFrame({**frame, "street": ["6", "6.5", "x"]}))
    assert found.reasons == {2: ["street: 'x' is not a number"]}
    one, same, _ = identities(case.source, found.frame).to_series()
    assert one == same


def test_rows_whose_split_was_published_keep_it_and_others_follow_their_hash() -> None:
    named = Csv(path="rows.csv", key="id", start="2026-01-05", split=PredefinedSplit("usage", val="dev"))
    rows = keyed(range(600)).with_columns(
        pl.Series("usage", [*["test"] * 100, *["dev"] * 100, *["train"] * 100, *[None] * 150, *["spare"] * 150])
    )
    numbers = split_numbers(named, rows, Prepare())
    assert [set(part.tolist()) for part in np.split(numbers[:300], 3)] == [{0}, {1}, {2}]
    by_hash = split_numbers(source(), rows, Prepare())
    np.testing.assert_array_equal(numbers[300:], by_hash[300:])
    assert set(numbers[300:].tolist()) == {0, 1, 2}
    # A bundle's manifest says which rows it was never trained on.
    rule = SplitRule.model_validate_json(split_rule(named, Prepare()).model_dump_json())
    np.testing.assert_array_equal(is_test_row(rule, rows), numbers == 0)
    assert not is_test_row(rule, rows.drop("usage")).any()
