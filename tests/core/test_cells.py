from __future__ import annotations

import polars as pl
import pytest

from portfolio.core.cells import without_unit
from portfolio.data.normalize import without_units


@pytest.mark.parametrize(
    ("text", "unit", "number"),
    [
        ("1,568 kg", "kg", "1568"),
        ("１２３円", "円", "123"),
        ("¥-118", "¥", "-118"),
        ("-¥1,180", "¥", "-1180"),
        ("-￥118", "¥", "-118"),
        ("△118", "", "-118"),
        ("▲ 118円", "円", "-118"),
        ("\u2212118", "", "-118"),
        ("(¥118)", "¥", "-118"),
        ("1,568.20-", "", "-1568.20"),
        ("118\u2212", "", "-118"),
        ("\uff11\uff11\uff18\uff0d", "", "-118"),
        ("\\52,000", "¥", "52000"),
        ("75,382km", "km", "75382"),
        ("38570", "km", "38570"),
        ("about 3 kg", "kg", "about 3 kg"),
        ("(none)", "", "(none)"),
        ("none-", "", "none-"),
    ],
)
def test_a_number_is_read_however_people_write_it(text: str, unit: str, number: str) -> None:
    assert without_unit(text, unit) == number
    column = pl.select(without_units(pl.lit(pl.Series([text])), unit)).to_series()
    assert column.cast(pl.Float64, strict=False).to_list() == [None if any(map(str.isalpha, number)) else float(number)]


def test_what_follows_a_price_on_japanese_bills_is_no_minus() -> None:
    assert without_unit("¥118-", "¥") == "¥118-"
