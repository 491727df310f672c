"""Whatever types rows come in, they leave in one form; what can't be brought to it is named by row."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from portfolio.contract import Category, Classes, Csv, FreeText, Image, Images, Number, Quantity, Table, Text
from portfolio.data.normalize import Normalized, normalize

NAN = float("nan")


class Case(Table):
    source = Csv(path="rows.csv", key="id", date="day")
    target = Classes("bought", [0, 1])
    inputs = [Number("age", missing=True), Category("rooms", [1, 2, 3], missing=True)]  # noqa: RUF012
    ignore = ["notes"]  # noqa: RUF012


class Price(Table):
    source = Csv(path="rows.csv", key="id", start="2026-01-05", split_by=["street"])
    target = Quantity("price")
    inputs = [Number("age")]  # noqa: RUF012
    slices = ["town"]  # noqa: RUF012


class Picture(Images):
    source = Csv(path="rows.csv", key="id", start="2026-01-05")
    target = Classes("shape", ["ring", "bar"])
    inputs = [Image("ink", 1, 2, maximum=4)]  # noqa: RUF012


class Remark(Text):
    source = Csv(path="rows.csv", key="id", start="2026-01-05")
    target = Classes("kind", ["praise", "complaint"])
    inputs = [FreeText("remark", 100)]  # noqa: RUF012


def rows(**columns: Any) -> pl.DataFrame:
    given = {"id": ["a", "b"], "age": [1.0, 2.0], "rooms": ["1", "2"], "bought": ["0", "1"], **columns}
    return pl.DataFrame({name: column for name, column in given.items() if column is not None})


def test_a_misspelled_slice_is_named_as_one() -> None:
    frame = pl.DataFrame({"id": ["a"], "age": [1.0], "price": ["1"], "street": ["x"], "town": ["y"]})
    assert normalize(Price("price"), frame).faults == []
    told = ["the column 'town' is missing ('town' stands in `slices`)"]
    assert normalize(Price("price"), frame.drop("town")).faults == told


def of(frame: pl.DataFrame) -> Normalized:
    return normalize(Case("case"), frame)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pl.Series([1, 2], dtype=pl.Int8), [1.0, 2.0]),
        (pl.Series([1, None], dtype=pl.Int64), [1.0, None]),
        (pl.Series([1, 2**63], dtype=pl.UInt64), [1.0, float(2**63)]),
        (pl.Series([1.5, NAN]), [1.5, None]),
        (pl.Series([1.5, NAN], dtype=pl.Float32), [1.5, None]),
        (pl.Series([True, False]), [1.0, 0.0]),
        (pl.Series(["1.5", " 2 "]), [1.5, 2.0]),
        (pl.Series(["1e3", "-7"]), [1000.0, -7.0]),
        (pl.Series(["", "  "]), [None, None]),
        (pl.Series(["NaN", "nan"]), [None, None]),
        (pl.Series(["NA", " n/a"]), [None, None]),
        (pl.Series(["-", "?"]), [None, None]),
        (pl.Series([None, None], dtype=pl.Null), [None, None]),
        (pl.Series([None, None], dtype=pl.String), [None, None]),
        (pl.Series([None, None], dtype=pl.Boolean), [None, None]),
        (pl.Series(["1.25", "3"]).cast(pl.Decimal(6, 2)), [1.25, 3.0]),
        (pl.Series([b"1.25", b"NA"]), [1.25, None]),
        (pl.Series(["1.25", "NA"], dtype=pl.Categorical), [1.25, None]),
        (pl.Series(["1.25", "NA"], dtype=pl.Enum(["1.25", "NA"])), [1.25, None]),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pl.Series) else "",
)
def test_a_number_is_a_float_and_what_is_missing_is_null(column: pl.Series, expected: list[float | None]) -> None:
    found = of(rows(age=column))
    assert found.frame.schema["age"] == pl.Float64
    assert found.frame["age"].to_list() == expected
    assert (found.reasons, found.faults) == ({}, [])


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pl.Series([1, 2], dtype=pl.Int8), ["1", "2"]),
        (pl.Series([1.0, NAN]), ["1", None]),
        (pl.Series([1.0, 2.0], dtype=pl.Float32), ["1", "2"]),
        (pl.Series([2.5, 1.0]), ["2.5", "1"]),
        (pl.Series(["1", ""]), ["1", None]),
        (pl.Series(["1.0", " 2 "]), ["1", "2"]),
        (pl.Series(["1.0", "NA"]), ["1", None]),
        (pl.Series([" ", None]), [None, None]),
        (pl.Series([True, False]), ["true", "false"]),
        (pl.Series(["人口", "1st"]), ["人口", "1st"]),
        (pl.Series([None, None], dtype=pl.Null), [None, None]),
        (pl.Series([None, None], dtype=pl.Int64), [None, None]),
        (pl.Series(["1", "2"], dtype=pl.Categorical), ["1", "2"]),
        (pl.Series([b"1.0", b""]), ["1", None]),
        (pl.Series(["人口".encode(), b"1st"]), ["人口", "1st"]),
        (pl.Series(["1.00", "2.50"]).cast(pl.Decimal(6, 2)), ["1", "2.5"]),
        (pl.Series(["100", "2"]).cast(pl.Decimal(6, 0)), ["100", "2"]),
        (pl.Series([2**64 - 1, 1], dtype=pl.UInt64), [str(2**64 - 1), "1"]),
        (pl.Series([date(2026, 1, 5), None]), ["2026-01-05", None]),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pl.Series) else "",
)
def test_a_category_is_text(column: pl.Series, expected: list[str | None]) -> None:
    found = of(rows(rooms=column))
    assert found.frame.schema["rooms"] == pl.String
    assert found.frame["rooms"].to_list() == expected
    assert (found.reasons, found.faults) == ({}, [])


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (["NA", "Pave"], ["NA", "Pave"]),
        (["True", "FALSE"], ["true", "false"]),
        ([True, False], ["true", "false"]),
        (["01", "1"], ["01", "1"]),
        (["n/a", " Pave "], [None, "Pave"]),
    ],
)
def test_a_declared_word_is_a_category_and_another_that_says_missing_is_not(
    column: list[Any], expected: list[str | None]
) -> None:
    class Declared(Case):
        inputs = [Number("age"), Category("rooms", ["NA", "Pave", True, False, "01"], missing=True)]  # noqa: RUF012

    found = normalize(Declared("case"), rows(rooms=pl.Series(column)))
    assert found.frame["rooms"].to_list() == expected


def test_keys_labels_shared_values_and_slices_are_text_and_a_quantity_is_a_number() -> None:
    assert of(rows(id=[1, 2], bought=[False, True])).frame.select("id", "bought").rows() == [
        ("1", "false"),
        ("2", "true"),
    ]
    frame = pl.DataFrame({"id": [1.0, 2.0], "age": [3, 4], "price": ["5", "x"], "street": [6, 7], "town": [None, 8]})
    found = normalize(Price("price"), frame)
    assert found.frame.rows() == [("1", "6", 3.0, 5.0, None), ("2", "7", 4.0, None, "8")]
    assert found.frame.columns == ["id", "street", "age", "price", "town"]
    assert found.reasons == {1: ["price: 'x' is not a number"]}


def test_text_that_is_no_number_is_named_by_its_row() -> None:
    found = of(rows(age=["12", "twelve" * 20]))
    assert found.frame["age"].to_list() == [12.0, None]
    assert list(found.reasons) == [1]
    assert found.reasons[1][0].startswith("age: 'twelvetwelve")
    assert found.reasons[1][0].endswith("' is not a number")
    assert len(found.reasons[1][0]) < 80


@pytest.mark.parametrize("column", [[[1], [2]], [{"a": 1}, {"a": 2}], [date(2026, 1, 5), date(2026, 1, 6)]])
def test_a_column_that_holds_no_numbers_is_a_fault_of_the_batch(column: list[Any]) -> None:
    (fault,) = of(rows(age=column)).faults
    assert fault.startswith("the column 'age' holds no numbers")


@pytest.mark.parametrize("name", ["id", "age", "rooms", "bought"])
@pytest.mark.parametrize(
    ("column", "told"),
    [
        ([b"1", b"\xff"], "holds bytes that are no text in UTF-8: store it as text"),
        ([timedelta(days=1), timedelta(days=2)], "durations (Duration(time_unit='us')): store it as text or numbers"),
    ],
)
def test_a_column_of_what_is_no_text_is_a_fault_of_the_batch(name: str, column: list[Any], told: str) -> None:
    (fault,) = of(rows(**{name: column})).faults
    assert fault.startswith(f"the column '{name}' holds")
    assert told in fault


def test_only_the_declared_columns_stay() -> None:
    frame = rows(notes=["x", "y"], day=["2026-01-05", "2026-01-05"])
    found = of(frame)
    assert found.faults == []
    assert found.frame.columns == ["id", "age", "rooms", "bought"]
    strange = of(frame.with_columns(surprise=1))
    assert strange.faults == ["the column 'surprise' is neither an input nor ignored"]
    assert of(rows(rooms=None)).faults == ["the column 'rooms' is missing"]


def test_batches_of_other_types_fit_together() -> None:
    """A batch without a gap is read as integers, one with a gap as floats, an empty column as nothing at all."""
    batches = [
        rows(age=[1, 2], rooms=[1, 2], bought=[0, 1]),
        rows(age=[1.5, None], rooms=[1.0, None], bought=[0.0, 1.0]),
        rows(age=["3", ""], rooms=["3", ""], bought=["0", "1"]),
        rows(age=pl.Series([None, None]), rooms=pl.Series([None, None]), bought=[True, False]),
    ]
    together = pl.concat([of(batch).frame for batch in batches])
    assert together["age"].to_list() == [1.0, 2.0, 1.5, None, 3.0, None, None, None]
    assert together["rooms"].to_list() == ["1", "2", "1", None, "3", None, None, None]


@pytest.mark.parametrize(
    "ink",
    [
        pl.Series([[0, 4], [1, 2]]),
        pl.Series([[0.0, 4.0], [1.0, 2.0]]),
        pl.Series([[0, 4], [1, 2]], dtype=pl.Array(pl.UInt8, 2)),
        pl.Series([["0", "4"], ["1", "2"]]),
    ],
    ids=["integers", "floats", "an array", "text"],
)
def test_pixels_are_an_array_of_floats(ink: pl.Series) -> None:
    found = normalize(Picture("picture"), pl.DataFrame({"id": ["a", "b"], "ink": ink, "shape": ["ring", "bar"]}))
    assert (found.reasons, found.faults) == ({}, [])
    assert found.frame.schema["ink"] == pl.Array(pl.Float32, 2)
    assert found.frame["ink"].to_list() == [[0.0, 4.0], [1.0, 2.0]]


class Photo(Picture):
    inputs = [Image("ink", 1, 2, step=1, photo=True)]  # noqa: RUF012


@pytest.mark.parametrize(
    "ink",
    [
        pl.Series([[0, 4], [1, 255]]),
        pl.Series([[0.0, 4.0], [1.0, 255.0]]),
        pl.Series([[0, 4], [1, 255]], dtype=pl.Array(pl.UInt8, 2)),
    ],
    ids=["integers", "floats", "bytes"],
)
def test_the_pixels_of_a_photo_stay_bytes(ink: pl.Series) -> None:
    found = normalize(Photo("photo"), pl.DataFrame({"id": ["a", "b"], "ink": ink, "shape": ["ring", "bar"]}))
    assert (found.reasons, found.faults) == ({}, [])
    assert found.frame.schema["ink"] == pl.Array(pl.UInt8, 2)
    assert found.frame["ink"].to_list() == [[0, 4], [1, 255]]
    assert Photo("photo").features(found.frame)["ink"].dtype == np.float32


@pytest.mark.parametrize("bad", [[0, 256], [-1, 0], [0.5, 1], [0, None], [0, NAN], [0]])
def test_what_is_no_byte_of_a_photo_is_named_by_its_row(bad: list[float]) -> None:
    frame = pl.DataFrame({"id": ["a", "b"], "ink": [[0, 4], bad], "shape": ["ring", "bar"]}, strict=False)
    found = normalize(Photo("photo"), frame)
    assert found.reasons == {1: ["ink: must be 2 whole numbers of 0 to 255"]}
    assert found.frame["ink"].to_list()[0] == [0, 4]
    lacking = pl.DataFrame({"id": ["a"], "ink": pl.Series([[0, None]], dtype=pl.Array(pl.UInt8, 2)), "shape": ["ring"]})
    assert list(normalize(Photo("photo"), lacking).reasons) == [0]


@pytest.mark.parametrize("bad", [[0, 1, 2], [0], [], None, [0, None], [0, NAN]])
def test_a_picture_that_lacks_pixels_is_named_by_its_row(bad: list[float] | None) -> None:
    case = Picture("picture")
    frame = pl.DataFrame(
        {"id": ["a", "b", "c"], "ink": [[0, 4], bad, [1, 2]], "shape": ["ring", "bar", "bar"]}, strict=False
    )
    found = normalize(case, frame)
    assert list(found.reasons) == [1]
    assert found.reasons[1] == ["ink: must be 2 numbers"]
    assert found.frame["ink"].to_list()[::2] == [[0.0, 4.0], [1.0, 2.0]]


def test_a_column_without_lists_is_no_picture() -> None:
    frame = pl.DataFrame({"id": ["a"], "ink": ["[0, 1]"], "shape": ["ring"]})
    assert normalize(Picture("picture"), frame).faults == ["the column 'ink' holds no lists of pixels"]


@pytest.mark.parametrize("cell", [[[0], [1]], [{"grey": 1}] * 2, [b"\xff"] * 2, [date(2026, 1, 5)] * 2])
def test_a_column_whose_lists_hold_no_pixels_is_no_picture(cell: list[Any]) -> None:
    frame = pl.DataFrame({"id": ["a", "b"], "ink": [cell, cell], "shape": ["ring", "bar"]})
    assert normalize(Picture("picture"), frame).faults == ["the column 'ink' holds no lists of pixels"]


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        (b"\xff", "holds bytes that are no text in UTF-8: store it as text"),
        (timedelta(days=1), "holds durations (Duration(time_unit='us')): store it as text or numbers"),
        ({"a": 1}, "holds no single values (Struct({'a': Int64}))"),
        (["a"], "holds no single values (List(String))"),
    ],
)
def test_a_text_of_another_type_is_a_fault_of_the_batch(cell: Any, told: str) -> None:
    frame = pl.DataFrame({"id": ["a", "b"], "remark": [cell, cell], "kind": ["praise", "complaint"]})
    assert normalize(Remark("remark"), frame).faults == [f"the column 'remark' {told}"]


def test_a_text_with_the_declared_unit_is_a_number() -> None:
    class Town(Table):
        source = Csv(path="rows.csv", key="id", start="2026-01-05")
        target = Quantity("people", unit="千人")
        inputs = [Number("old", unit="%", missing=True), Number("walk", unit="分")]  # noqa: RUF012

    frame = pl.DataFrame(
        {"id": ["a", "b"], "people": ["1,568千人", "20"], "old": ["23.1\uff05", "NA"], "walk": ["5分", "5秒"]}
    )
    found = normalize(Town("town"), frame)
    assert found.frame["people"].to_list() == [1568, 20]
    assert found.frame["old"].to_list() == [23.1, None]
    # Of another unit, it is not this quantity.
    assert found.reasons == {1: ["walk: '5秒' is not a number"]}
