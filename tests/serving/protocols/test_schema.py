"""What a request may hold: any headers, labels of any type, and missing values."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from portfolio.bundle.manifest import InputField
from portfolio.bundle.texts import NORMALIZATION
from portfolio.core.types import Array
from serving.errors import RequestError
from serving.protocols import size
from serving.protocols.schema import RequestSchema

HEADERS = [
    "1st Flr SF",
    "人口",
    "class",
    "model_config",
    "model_fields",
    "__pydantic_config__",
    "a.b",
    "_hidden",
    "__dunder",
    'a "quoted" name',
    "it's",
    "$ref",
    "with\nnewline",
    "field_0",
    "",
]


def field(name: str, kind: str = "number", **about: Any) -> InputField:
    """A field of any name, as the headers of data are."""
    example: Any = 1.0 if kind == "number" else "a"
    return InputField.model_construct(name=name, kind=kind, description=name, **{"example": example, **about})


def schema(*fields: InputField, characters: str = "") -> RequestSchema:
    """`characters`: those that the texts of training have."""
    reference = {field.name: SimpleNamespace(characters=characters) for field in fields}
    return RequestSchema(SimpleNamespace(inputs=fields, reference=reference), max_rows=10)  # type: ignore[arg-type]


def read(fields: RequestSchema, **row: Any) -> dict[str, Array]:
    """A row as it is read from a JSON body, which must be what it is as a parsed row and by MLflow's protocol too."""
    inputs, rows = fields.read(json.dumps({"instances": [row]}).encode())
    assert rows == 1
    for name, array in fields.from_rows([row], "instances")[0].items():
        np.testing.assert_array_equal(array, inputs[name])
    return inputs


PIXELS = [0.5] * 64


def image_body(**change: Any) -> bytes:
    """Fifty images, which are read in a way of their own, and one that `change` may spoil."""
    return json.dumps({"instances": [{"pixels": PIXELS}] * 49 + [{"pixels": PIXELS} | change]}).encode()


def images() -> RequestSchema:
    image = field("pixels", "image", shape=(8, 8), minimum=0.0, maximum=1.0, example=PIXELS)
    return RequestSchema(SimpleNamespace(inputs=(image,)), max_rows=50)  # type: ignore[arg-type]


def test_many_images_are_read_as_one_is() -> None:
    body = image_body(pixels=[*PIXELS[:62], 1, 1e-3])
    assert len(body) > size.SMALL_BYTES
    inputs, rows = images().read(body)
    one, _ = images().read(json.dumps({"instances": json.loads(body)["instances"][-1:]}).encode())
    assert rows == 50
    assert inputs["pixels"].dtype == np.float32
    np.testing.assert_array_equal(inputs["pixels"][-1:], one["pixels"])
    np.testing.assert_array_equal(inputs["pixels"][:49], np.full((49, 64), 0.5, dtype=np.float32))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"pixels": [*PIXELS[:63], True]}, "instances.49.pixels.63"),
        ({"pixels": [*PIXELS[:63], False]}, "instances.49.pixels.63"),
        ({"pixels": [*PIXELS[:63], "1"]}, "instances.49.pixels.63"),
        ({"pixels": [*PIXELS[:63], None]}, "instances.49.pixels.63"),
        ({"pixels": [*PIXELS[:63], [1]]}, "instances.49.pixels.63"),
        ({"pixels": [*PIXELS[:63], 1.0000001]}, "instances.49.pixels.63"),
        ({"pixels": [*PIXELS[:63], -1e-9]}, "instances.49.pixels.63"),
        ({"pixels": [*PIXELS[:63], float("nan")]}, "instances.49.pixels.63"),
        ({"pixels": [*PIXELS[:63], 10**400]}, "instances.49.pixels.63"),
        ({"pixels": PIXELS[:63]}, "instances.49.pixels"),
        ({"pixels": "0" * 64}, "instances.49.pixels"),
        ({"pixels": {}}, "instances.49.pixels"),
        ({"more": 1}, "instances.49.more"),
    ],
)
def test_what_is_wrong_in_many_images_is_named_as_in_one(change: dict[str, Any], where: str) -> None:
    with pytest.raises(RequestError) as raised:
        images().read(image_body(**change))
    assert raised.value.details[0]["field"] == where


@pytest.mark.parametrize(
    "body",
    [image_body()[:-1], image_body().replace(b"instances", b"instance"), image_body()[:-2] + b',{"pixels":[]}]}'],
)
def test_a_body_of_many_images_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(RequestError):
        images().read(body)


def refusal(fields: RequestSchema, **row: Any) -> dict[str, str]:
    with pytest.raises(RequestError) as raised:
        fields.read(json.dumps({"instances": [row]}).encode())
    assert raised.value.status == 422
    return raised.value.details[0]


def test_any_header_is_the_name_of_a_field() -> None:
    several = schema(*(field(name, minimum=0) for name in HEADERS))
    row = {name: float(number) for number, name in enumerate(HEADERS)}
    assert {name: array.tolist() for name, array in read(several, **row).items()} == {
        name: [[value]] for name, value in row.items()
    }
    document = several.json_schema()
    assert list(document["$defs"]["Instance"]["properties"]) == HEADERS
    assert document["$defs"]["Instance"]["required"] == HEADERS


@pytest.mark.parametrize("name", HEADERS)
def test_errors_name_the_field_by_its_header(name: str) -> None:
    one = schema(field(name, minimum=0))
    assert refusal(one, **{name: -1})["field"] == f"instances.0.{name}"
    assert refusal(one)["field"] == f"instances.0.{name}"
    assert refusal(one, **{name: 1, "other": 1})["field"] == "instances.0.other"


@pytest.mark.parametrize(("value", "number"), [(3, 3.0), (2.5, 2.5), (-1, -1.0), (1e3, 1000.0)])
def test_integers_and_floats_are_numbers(value: float, number: float) -> None:
    assert read(schema(field("x")), x=value)["x"].tolist() == [[number]]


@pytest.mark.parametrize("value", ["3", True, [3], {"x": 3}, "", None, float("nan"), float("inf")])
def test_nothing_else_is_a_number(value: Any) -> None:
    assert refusal(schema(field("x")), x=value)["field"] == "instances.0.x"


@pytest.mark.parametrize("row", [{"x": None}, {"x": ""}, {}])
def test_a_missing_number_is_null_empty_or_left_out(row: dict[str, Any]) -> None:
    assert np.isnan(read(schema(field("x", nullable=True)), **row)["x"]).tolist() == [[True]]


@pytest.mark.parametrize("kind", ["number", "category", "text"])
def test_nan_is_a_missing_value_of_any_kind(kind: str) -> None:
    """As tables have it. In JSON it is no standard, and common."""
    nullable, required = schema(field("x", kind, nullable=True)), schema(field("x", kind))
    (found,) = nullable.read(b'{"instances": [{"x": NaN}]}')[0]["x"].tolist()
    assert found == [""] or np.isnan(found[0])
    for number in ("NaN", "Infinity"):
        with pytest.raises(RequestError):
            required.read(f'{{"instances": [{{"x": {number}}}]}}'.encode())
    with pytest.raises(RequestError):
        nullable.read(b'{"instances": [{"x": Infinity}]}')


def test_the_word_nan_is_not_a_number() -> None:
    assert refusal(schema(field("x", nullable=True)), x="NaN")["field"] == "instances.0.x"


@pytest.mark.parametrize(
    ("value", "label"),
    [("First", "First"), ("東京", "東京"), (1, "1"), (1.0, "1"), (2.5, "2.5"), (True, "true"), (False, "false")],
)
def test_a_category_is_its_label_of_whatever_type(value: Any, label: str) -> None:
    assert read(schema(field("class", "category")), **{"class": value})["class"].tolist() == [[label]]


@pytest.mark.parametrize("value", [None, "", [], {}, ["a"], float("nan"), float("inf"), "x" * 10_001])
def test_what_is_no_label_is_refused(value: Any) -> None:
    assert refusal(schema(field("class", "category")), **{"class": value})["field"] == "instances.0.class"


@pytest.mark.parametrize("row", [{"class": None}, {"class": ""}, {}])
def test_a_missing_category_is_null_empty_or_left_out(row: dict[str, Any]) -> None:
    assert read(schema(field("class", "category", nullable=True)), **row)["class"].tolist() == [[""]]


def test_the_document_says_what_a_category_may_be() -> None:
    properties = schema(field("class", "category"), field("x", nullable=True)).json_schema()["$defs"]["Instance"]
    types = [option["type"] for option in properties["properties"]["class"]["anyOf"]]
    assert types == ["string", "boolean", "number"]
    assert properties["properties"]["class"]["examples"] == ["a"]
    assert properties["required"] == ["class"]


def test_labels_and_missing_values_as_tensors() -> None:
    several = schema(field("class", "category", nullable=True), field("x", nullable=True))
    numbers = {"class": np.array([1.0, np.nan]), "x": np.array([np.nan, 2.0])}
    inputs, _ = several.from_tensors(numbers, 2)
    assert inputs["class"].tolist() == [["1"], [""]]
    np.testing.assert_array_equal(inputs["x"], [[np.nan], [2]])
    assert several.from_tensors({"class": np.array([True, False])}, 2)[0]["class"].tolist() == [["true"], ["false"]]


@pytest.mark.parametrize("values", [np.array([1.0, np.nan]), np.array(["a", ""], dtype=object)])
def test_a_missing_category_is_refused_as_a_tensor_too(values: Array) -> None:
    with pytest.raises(RequestError, match=r"class\.1: a value is missing"):
        schema(field("class", "category")).from_tensors({"class": values}, 2)


def test_an_infinite_label_is_refused() -> None:
    with pytest.raises(RequestError, match="inf is not a label"):
        schema(field("class", "category")).from_tensors({"class": np.array([np.inf])}, 1)


def test_a_text_may_be_empty_and_is_never_a_number() -> None:
    texts = schema(field("body", "text"))
    assert read(texts, body="")["body"].tolist() == [[""]]
    assert refusal(texts, body=1)["field"] == "instances.0.body"
    with pytest.raises(RequestError, match="must be strings"):
        texts.from_tensors({"body": np.array([1.0])}, 1)


def test_a_number_that_float32_can_not_hold_is_refused() -> None:
    requests = schema(field("x"))
    with pytest.raises(RequestError, match="must be at most"):
        requests.read(b'{"instances": [{"x": 1e39}]}')
    with pytest.raises(RequestError, match="must be at least"):
        requests.from_rows([{"x": -1e39}], "instances")


@pytest.mark.parametrize(("sent", "label"), [("TRUE", "true"), ("False", "false"), (" true ", "true"), (True, "true")])
def test_a_boolean_that_a_spreadsheet_wrote_is_the_one_of_training(sent: Any, label: str) -> None:
    """Training reads it so, too: taken for another category, the model would not see the field."""
    fields = schema(field("member", "category", categories=("false", "true")))
    found = read(fields, member=sent)
    assert found["member"].tolist() == [[label]]
    assert fields.unseen(found) == {}
    tensors, _ = fields.from_tensors({"member": np.array([[str(sent)]], dtype=object)}, 1)
    assert tensors["member"].tolist() == [[label]]


REVIEW = InputField(name="review", kind="text", max_length=10, normalization=NORMALIZATION, example="a")


@pytest.mark.parametrize("text", ["x" * 11, "x" * 1024 * 1024, "😀" * 11])
def test_a_text_over_its_length_is_refused_in_every_form(text: str) -> None:
    reviews = schema(REVIEW)
    assert "at most 10 characters" in refusal(reviews, review=text)["message"]
    with pytest.raises(RequestError, match="at most 10 characters"):
        reviews.from_rows([{"review": text}], "csv")
    with pytest.raises(RequestError, match="longer than 10 characters"):
        reviews.from_tensors({"review": np.array([text], dtype=object)}, 1)
    assert read(reviews, review="😀" * 10)["review"].tolist() == [["😀" * 10]]


def test_a_text_is_brought_to_the_form_of_training_in_every_form() -> None:
    reviews, sent, expected = schema(REVIEW), " ﾍﾞｯﾄﾞ\nWi", [["ベッド wi"]]
    assert read(reviews, review=sent)["review"].tolist() == expected
    assert reviews.from_rows([{"review": sent}], "csv")[0]["review"].tolist() == expected
    assert reviews.from_tensors({"review": np.array([sent], dtype=object)}, 1)[0]["review"].tolist() == expected


@pytest.mark.parametrize("blank", ["", " ", "\u3000\n"])
def test_a_blank_text_is_missing(blank: str) -> None:
    assert refusal(schema(REVIEW), review=blank)["field"] == "instances.0.review"
    with pytest.raises(RequestError, match=r"review\.0: a value is missing"):
        schema(REVIEW).from_tensors({"review": np.array([blank], dtype=object)}, 1)
    nullable = schema(REVIEW.model_copy(update={"nullable": True}))
    assert read(nullable, review=blank)["review"].tolist() == [[""]]


def test_a_text_of_characters_that_training_never_saw_is_unseen() -> None:
    reviews = schema(REVIEW, characters="abc d")
    inputs = reviews.from_rows([{"review": text} for text in ("abcd", "abcd dcbaz", "abzza", "데이터")], "rows")[0]
    assert reviews.unseen(inputs) == {2: {"review": "z"}, 3: {"review": "데이터"}}
