import io
import json
from typing import Any

import polars as pl
import pytest

from portfolio.bundle.manifest import InputField
from portfolio.client.rows import read_rows, rows_of
from portfolio.core.errors import DataError


def test_a_number_that_may_be_another_is_refused() -> None:
    """Where the model learned from files with decimal commas."""
    marked = tuple(field.model_copy(update={"unsure_marks": ",."}) for field in TABLE)
    for cell in ("1.200", '"1,200"', "1.200 €", "\uff11.\uff12\uff10\uff10"):
        with pytest.raises(DataError, match=r"Row 2: rooms is '.*', which may be 1200 or 1\.200.*Write 1200,"):
            rows(f"rooms,age,place\n3,,a\n{cell},,a\n", "csv", marked)
    told = rows("rooms,age,place\n1200,,a\n1.2000,,a\n0.875,,a\n12.5,,a\n", "csv", marked)
    assert [row["rooms"] for row in told] == [1200, 1.2, 0.875, 12.5]
    # Where only the decimal comma is another, a point is what it is everywhere.
    of_commas = tuple(field.model_copy(update={"unsure_marks": ","}) for field in TABLE)
    assert rows("rooms,age,place\n1.200,,a\n", "csv", of_commas)[0]["rooms"] == 1.2
    assert rows('[{"rooms": 1.234, "place": "a"}]', "json", marked)[0]["rooms"] == 1.234


def test_a_file_with_none_of_the_inputs_is_refused_though_each_may_be_missing() -> None:
    optional = tuple(field.model_copy(update={"nullable": True}) for field in TABLE)
    with pytest.raises(DataError, match=r"has none of the model's inputs \(rooms, age, place\), but rooms;age;place"):
        rows("rooms;age;place\n1;2;a\n", "csv", optional, left_out=[])


IMAGE = (
    InputField(
        name="pixels", kind="image", description="ink", shape=(2, 2), minimum=0, maximum=16, example=[1, 2, 3, 4]
    ),
)
TABLE = (
    InputField(name="rooms", kind="number", description="rooms", example=3),
    InputField(name="age", kind="number", description="years", nullable=True, example=3),
    InputField(name="place", kind="category", description="where", categories=("a", "b"), example="a"),
)


def rows(
    content: str | bytes, form: str, fields: tuple[InputField, ...] = TABLE, left_out: list[str] | None = None
) -> list[Any]:
    """The rows; what is left out of them is added to `left_out`, and without that list nothing may be."""
    raw = content.encode() if isinstance(content, str) else content
    told: list[str] = []
    found = list(read_rows(io.BytesIO(raw), form, fields, told.extend))
    if left_out is None:
        assert told == []
    else:
        left_out += told
    return found


def parquet(**columns: Any) -> bytes:
    stream = io.BytesIO()
    pl.DataFrame(columns).write_parquet(stream)
    return stream.getvalue()


GOOD = [{"rooms": 3.0, "age": None, "place": "a"}, {"rooms": 4.5, "age": 2.0, "place": "b, c"}]


@pytest.mark.parametrize(
    ("content", "form"),
    [
        ('place,rooms,age\na,3,\n"b, c",4.5,2\n', "csv"),
        ('\ufeffplace,rooms,age\r\na,3,\r\n"b, c",4.5,2\r\n', "csv"),
        ("place\trooms\tage\na\t3\t\nb, c\t4.5\t2\n", "tsv"),
        ('[{"rooms": 3, "place": "a"}, {"rooms": 4.5, "age": 2, "place": "b, c"}]', "json"),
        ('{"instances": [{"rooms": 3, "place": "a"}, {"rooms": 4.5, "age": 2, "place": "b, c"}]}', "json"),
        ('{"rooms": 3, "age": null, "place": "a"}\n{"rooms": 4.5, "age": 2, "place": "b, c"}\n', "jsonl"),
        (parquet(rooms=[3.0, 4.5], age=[float("nan"), 2.0], place=["a", "b, c"]), "parquet"),
        (parquet(rooms=[3.0, 4.5], age=[None, 2], place=["a", "b, c"]), "parquet"),
        (parquet(rooms=[3.0, 4.5], age=[None, 2], place=[b"a", b"b, c"]), "parquet"),
    ],
)
def test_every_form_gives_the_same_rows(content: str | bytes, form: str) -> None:
    assert rows(content, form) == GOOD


@pytest.mark.parametrize(
    ("content", "form"),
    [
        ('pixels\n"[1, 2, 3, 4]"\n', "csv"),
        ("pixels_0,pixels_1,pixels_2,pixels_3\n1,2,3,4\n", "csv"),
        ('{"pixels": [1, 2, 3, 4]}', "json"),
        (parquet(pixels=[[1, 2, 3, 4]]), "parquet"),
        (parquet(pixels_1=[2], pixels_0=[1], pixels_2=[3], pixels_3=[4]), "parquet"),
    ],
)
def test_an_image_is_a_list_or_a_column_for_each_value(content: str | bytes, form: str) -> None:
    assert rows(content, form, IMAGE) == [{"pixels": [1, 2, 3, 4]}]


@pytest.mark.parametrize(
    ("content", "form"),
    [
        ('id,rooms,age,place,seen on\n7,3,,a,2026-01-05\n8,4.5,2,"b, c",2026-01-06\n', "csv"),
        (
            '{"id": 7, "rooms": 3, "place": "a"}\n{"rooms": 4.5, "age": 2, "place": "b, c", "seen on": 1, "id": 3}\n',
            "jsonl",
        ),
        (
            parquet(id=[1, 2], rooms=[3.0, 4.5], age=[None, 2], place=["a", "b, c"], **{"seen on": [[1], [2]]}),
            "parquet",
        ),
    ],
)
def test_columns_that_the_model_does_not_take_are_left_out_and_named_once(content: str | bytes, form: str) -> None:
    left_out: list[str] = []
    assert rows(content, form, TABLE, left_out) == GOOD
    assert left_out == ["id", "seen on"]


def test_of_an_image_in_columns_the_missing_ones_are_named() -> None:
    with pytest.raises(DataError, match=r"Row 1: the inputs pixels_0, pixels_2 are missing"):
        rows("pixels_1,pixels_3\n2,4\n", "csv", IMAGE)
    left_out: list[str] = []
    assert rows("pixels_4,pixels_0,pixels_1,pixels_2,pixels_3\n5,1,2,3,4\n", "csv", IMAGE, left_out) == [
        {"pixels": [1, 2, 3, 4]}
    ]
    assert left_out == ["pixels_4"]


@pytest.mark.parametrize(
    ("content", "form", "message"),
    [
        ("rooms,place\n3,a\nx,a\n", "csv", "Row 2: rooms is 'x', which is not a number"),
        ("rooms,place\n3,a\n,a\n", "csv", "Row 2: rooms is '', which is not a number"),
        ("rooms,place\n3,a\n1_6,a\n", "csv", "Row 2: rooms is '1_6', which is not a number"),
        ("rooms,place\n\u0663,a\n", "csv", "Row 1: rooms is '\u0663', which is not a number"),
        ("rooms,place,rooms\n3,a,4\n", "csv", "The header has the column rooms twice"),
        (
            '[{"rooms": 3, "place": "a"}, {"rooms": true, "place": "a"}]',
            "json",
            "Row 2: rooms is true, which is not a number",
        ),
        ('[{"rooms": "5", "place": "a"}]', "json", 'Row 1: rooms is "5", which is not a number'),
        ('[{"rooms": 3, "age": "", "place": "a"}]', "json", 'Row 1: age is "", which is not a number'),
        ('{"rooms": 3, "place": "a", "rooms": 4}', "jsonl", "An object has rooms twice"),
        ('[{"rooms": 1' + 400 * "0" + ', "place": "a"}]', "json", "Row 1: rooms is '1000.*not a number"),
        (parquet(rooms=["5"], place=["a"]), "parquet", 'Row 1: rooms is "5", which is not a number'),
        (parquet(rooms=[True], place=["a"]), "parquet", "Row 1: rooms is true, which is not a number"),
        ("rooms,place\n3,a,b\n", "csv", "Row 1 does not have one value for each"),
        ("rooms,place\n3,a\n3\n", "csv", "Row 2 does not have one value for each"),
        ("rooms\n3\n", "csv", "Row 1: the input place is missing"),
        ("", "csv", "no row"),
        ("rooms,place\n", "csv", "no row"),
        (b"rooms,place\n3,\xff\n", "csv", "not valid CSV in UTF-8"),
        ('rooms,place\n3,"a\n', "csv", "not valid CSV in UTF-8"),
        ('[{"rooms": 3, "place": "a"}, {"place": "a"}]', "json", "Row 2: the input rooms is missing"),
        ('[{"rooms": 3, "place": "a"}, {"rooms": null, "place": "a"}]', "json", "Row 2: rooms has no value"),
        ('[{"rooms": NaN, "place": "a"}]', "json", "Row 1: rooms is nan"),
        ('[{"rooms": 1e999, "place": "a"}]', "json", "Row 1: rooms is inf"),
        ('[{"rooms": 3, "place": "a"}, 4]', "json", "Row 2 is not an object"),
        ("4", "json", "list of objects"),
        ("[" * 100_000, "json", "not valid JSON"),
        ("{", "json", "not valid JSON"),
        (b"PAR1", "parquet", "not valid Parquet"),
    ],
)
def test_what_does_not_fit_is_named(content: str | bytes, form: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        rows(content, form)


@pytest.mark.parametrize(
    "pixels", ["4", '"x"', '"[1, 2"', '"[1, 2, 3, 4]"', "[1, null, 3, 4]", "{}", '[1, "2", 3, 4]', "[1, true, 3, 4]"]
)
def test_an_image_must_be_a_list_of_numbers(pixels: str) -> None:
    with pytest.raises(DataError, match="Row 1: pixels"):
        rows(f'{{"pixels": {pixels}}}', "json", IMAGE)


def test_rows_are_read_as_they_are_asked_for() -> None:
    lines = io.BytesIO(b"rooms,place\n" + b"3,a\n" * 10 + b"x,a\n")
    reading = read_rows(lines, "csv", TABLE, on_left_out=[].append)
    assert [next(reading)["rooms"] for _ in range(10)] == [3.0] * 10
    with pytest.raises(DataError, match="Row 11"):
        next(reading)


def test_the_rows_are_json() -> None:
    assert json.loads(json.dumps(rows("rooms,place\n3,a\n", "csv"), allow_nan=False)) == GOOD[:1]


@pytest.mark.parametrize("nothing", ["", " ", "NA", "-", "null"])
def test_what_was_missing_in_training_is_missing_in_a_file(nothing: str) -> None:
    fields = (TABLE[1], InputField(name="place", kind="category", categories=("a", "-"), nullable=True, example="a"))
    (row,) = rows(f"age,place\n{nothing},{nothing}\n", "csv", fields)
    # Unless such a word was declared as a category.
    assert row == {"age": None, "place": "-" if nothing == "-" else None}


@pytest.mark.parametrize("cell", ["<4.0", " <4.0 ", "999", "999.0"])
def test_what_the_use_case_declares_as_missing_is_missing_in_a_file(cell: str) -> None:
    missing = {"age": ("<4.0", "999"), "place": ("999",)}
    expected = {"rooms": 3.0, "age": None, "place": "a"}
    content = f"rooms,age,place\n3,{cell},a\n"
    assert list(read_rows(io.BytesIO(content.encode()), "csv", TABLE, [].append, missing)) == [expected]
    if not cell.strip().startswith("<"):
        stored = parquet(rooms=[3], age=[float(cell)], place=["a"])
        assert list(read_rows(io.BytesIO(stored), "parquet", TABLE, [].append, missing)) == [expected]
    with pytest.raises(DataError, match="rooms"):
        list(read_rows(io.BytesIO(content.encode()), "csv", TABLE, [].append, {"rooms": ("3",)}))


def test_the_dates_of_a_table_that_was_read_as_declared_are_json() -> None:
    fields = (InputField(name="seen", kind="date", nullable=True, example="2026-01-31"),)
    table = pl.DataFrame({"seen": ["20260131", None]})
    expected = [{"seen": "2026-01-31"}, {"seen": None}]
    assert json.loads(json.dumps(list(rows_of(table, fields, [].append)))) == expected
    stored = table.with_columns(pl.col("seen").str.to_date("%Y%m%d"))
    assert list(rows_of(stored, fields, [].append)) == expected


def test_a_column_without_a_name_is_left_out() -> None:
    left_out: list[str] = []
    assert rows(',rooms,place,age\n1,3,a,\n2,4.5,"b, c",2\n', "csv", left_out=left_out) == GOOD
    assert left_out == [""]
    for line in ("1,3,a,,", "1,3"):
        with pytest.raises(DataError, match="Row 1 does not have one value for each column"):
            rows(f",rooms,place,age\n{line}\n", "csv", left_out=[])


@pytest.mark.parametrize(("cell", "number"), [("1,568千人", 1568), ("23.1 千人", 23.1), ("12", 12), ("１２千人", 12)])
def test_a_number_may_have_its_unit_with_it(cell: str, number: float) -> None:
    fields = (InputField(name="people", kind="number", unit="千人", example=3),)
    assert rows(f'people\n"{cell}"\n', "csv", fields) == [{"people": number}]
    with pytest.raises(DataError, match="which is not a number"):
        rows("people\n12人\n", "csv", fields)
