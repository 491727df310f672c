"""Numbers are the same in whatever way a country writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from portfolio.profiling.columns import profile_column
from portfolio.profiling.sample import Sample, sample
from tests.profiling.made import AGES, PLAIN, SIZES, TOWNS, csv_text, written


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([f"{1234 * number:,}" for number in range(60)], [1234 * number for number in range(60)]),
        ([chr(0xFF11) + chr(0xFF12), chr(0xFF13)] * 30, [12, 3] * 30),
    ],
    ids=["thousands", "full-width digits"],
)
def test_numbers_are_numbers_however_they_were_written(tmp_path: Path, cells: list[str], expected: list[int]) -> None:
    content = csv_text({"count": cells, "bought": ["yes", "no"] * 30})
    assert sample(written(tmp_path, content)).rows["count"].to_list() == expected


@pytest.mark.parametrize(
    ("prices", "lowest", "highest"),
    [
        # 1.200 EUR beside 850 EUR is a thousand and two hundred.
        ([f"{price:,} €".replace(",", ".") for price in range(501, 1701, 4)], 501, 1697),
        ([f"{price:,} €".replace(",", ".") for price in range(1001, 2201, 4)], 1001, 2197),
        ([f"€ {price:,},50".replace(",", ".", 1) for price in range(1001, 2201, 4)], 1001.5, 2197.5),
        ([f"{price / 10:.1f} kg".replace(".", ",") for price in range(501, 801)], 50.1, 80),
        # Weights to the gram: some have other decimals, or more before the point than a group.
        ([f"{price / 1000:g} kg" for price in range(501, 801)], 0.501, 0.8),
        ([f"{1000 + price / 1000:.3f} kg" for price in range(501, 801)], 1000.501, 1000.8),
        ([f"0.{price} kg" for price in range(501, 801)], 0.501, 0.8),
        ([f"{price:,} €".replace(",", "\u202f") for price in range(501, 1701, 4)], 501, 1697),
        ([f"{price:,}".replace(",", "\u00a0") for price in range(1697, 500, -4)], 501, 1697),
        # Negative ones, as SAP, bookkeepers and Japanese tables write them.
        ([f"{price:,},50-".replace(",", ".", 1) for price in range(1001, 2201, 4)], -2197.5, -1001.5),
        ([f"({price:,},50)".replace(",", ".", 1) for price in range(1001, 2201, 4)], -2197.5, -1001.5),
        ([f"△{price:,},50 €".replace(",", ".", 1) for price in range(1001, 2201, 4)], -2197.5, -1001.5),
        ([f"{price}-" if price % 8 == 1 else f"{price}" for price in range(501, 1701, 4)], -1697, 1693),
        ([f'="{price:,},50"'.replace(",", ".", 1) for price in range(1001, 2201, 4)], 1001.5, 2197.5),
    ],
)
def test_what_divides_thousands_is_told_of_numbers_with_a_unit_too(
    tmp_path: Path, prices: list[str], lowest: float, highest: float
) -> None:
    content = csv_text({"price": prices, "town": TOWNS, "size": [f"{size}".replace(".", ",") for size in SIZES]}, ";")
    column = profile_column(sample(written(tmp_path, content)).rows["price"])
    assert (column.kind, column.minimum, column.maximum) == ("number", lowest, highest)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["3,14", "1,5", "2"], [3.14, 1.5, 2]),
        (["1.200,50", "1,5", "2"], [1200.5, 1.5, 2]),
        # Lists, and a comma between thousands, are none.
        (["1,2", "1,2,3", "2"], ["1,2", "1,2,3", "2"]),
        (["1,234", "10,000", "2"], [1234, 10000, 2]),
    ],
)
def test_decimal_commas_in_quotation_marks_are_found(
    tmp_path: Path, cells: list[str], expected: list[float | str]
) -> None:
    content = csv_text({"age": AGES, "size": cells * 100, "bought": PLAIN["bought"]})
    assert sample(written(tmp_path, content)).rows["size"].to_list() == expected * 100
    # Beside decimal points, a comma is something else.
    if isinstance(expected[0], float):
        content = csv_text({"weight": SIZES, "size": cells * 100, "bought": PLAIN["bought"]})
        assert sample(written(tmp_path, content)).rows["size"].to_list() == cells * 100


def read_of(folder: Path, cells: list[str], separator: str = ";", beside: list[str] | None = None) -> Sample:
    """A file with such cells, beside a column that has decimal commas."""
    return sample(
        written(
            folder, csv_text({"x": cells, "size": (beside or ["1,5", "2,25", "3,75"]) * 100, "town": TOWNS}, separator)
        )
    )


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1.234", "0.875", "12.500"], [1.234, 0.875, 12.5]),
        (["1.234", "850", "12.500"], [1234, 850, 12500]),
        (["1.234,5", "2.850", "12.500"], [1234.5, 2850, 12500]),
        (["1.234.567", "2.850", "12.500"], [1_234_567, 2850, 12500]),
    ],
)
def test_points_beside_decimal_commas_are_told_apart_by_what_can_not_be_otherwise(
    tmp_path: Path, cells: list[str], expected: list[float]
) -> None:
    found = read_of(tmp_path, cells * 100)
    assert found.rows["x"].to_list() == expected * 100
    assert found.unsure == {}


def test_what_shows_the_decimals_may_come_late(tmp_path: Path) -> None:
    cells = ["1.234", "2.875", "12.500"] * 500
    content = csv_text({"x": [*cells, "0.875"], "size": ["1,5"] * 1501}, ";")
    assert sample(written(tmp_path, content)).rows["x"].to_list()[-2:] == [12.5, 0.875]


@pytest.mark.parametrize(
    ("cells", "beside", "expected", "said"),
    [
        (["1.234", "2.875", "12.500"], ["1,5", "2,25", "3,75"], [1234, 2875, 12500], "1.234 was read as 1234"),
        (["1.234 kg", "2.875 kg"], ["1,5", "2,25", "3,75"], None, "1.234 was read as 1234"),
        (["1.234", "2.875", "12.500"], ["1", "2", "3"], [1.234, 2.875, 12.5], "1.234 was read as 1.234"),
        (["1,234", "2,875", "12,500"], ["1", "2", "3"], [1.234, 2.875, 12.5], "1,234 was read as 1.234"),
        # Some other column has decimals behind a point, so this one may.
        (["1.234", "2.875", "12.500"], ["0.5", "2,25", "3,75"], [1.234, 2.875, 12.5], "1.234 was read as 1.234"),
        (["1.234", "850", "12.500"], ["0.5", "2,25", "3,75"], [1.234, 850, 12.5], "1.234 was read as 1.234"),
    ],
)
def test_a_guess_is_said(
    tmp_path: Path, cells: list[str], beside: list[str], expected: list[float] | None, said: str
) -> None:
    found = read_of(tmp_path, cells * (300 // len(cells)), beside=beside)
    assert said in found.unsure["x"]
    assert "size" not in found.unsure
    assert expected is None or found.rows["x"].to_list() == expected * 100


def test_whole_numbers_in_groups_are_thousands_also_where_nothing_has_decimals(tmp_path: Path) -> None:
    found = read_of(tmp_path, ["1.234", "850", "12.500"] * 100, beside=["1", "2", "3"])
    assert (found.rows["x"].to_list()[:3], found.unsure) == ([1234, 850, 12500], {})


@pytest.mark.parametrize("separator", [",", "\t"])
def test_decimals_behind_a_point_are_no_guess_where_commas_or_tabs_divide_the_columns(
    tmp_path: Path, separator: str
) -> None:
    found = read_of(tmp_path, ["1.234", "2.875", "12.500"] * 100, separator, beside=["1", "2", "3"])
    assert (found.rows["x"].to_list()[:3], found.unsure) == ([1.234, 2.875, 12.5], {})
