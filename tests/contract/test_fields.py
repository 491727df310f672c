"""Inputs as they are declared."""

from typing import Any

import pytest
from pydantic import ValidationError

from portfolio.bundle.manifest import InputField
from portfolio.contract import Category, Date, Image, Number
from portfolio.core.errors import ConfigError


def test_a_number_has_its_bounds_its_unit_and_may_be_missing() -> None:
    field = Number("age", 0, 120, unit="years", step=1, missing=True, description="at boarding")
    assert (field.kind, field.minimum, field.maximum, field.unit, field.step) == ("number", 0, 120, "years", 1)
    assert (field.nullable, field.description, field.width, field.is_string) == (True, "at boarding", 1, False)
    bare = Number("age")
    assert (bare.minimum, bare.maximum, bare.nullable, bare.example) == (None, None, False, None)


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (["First", "2nd", "三等"], ("First", "2nd", "三等")),
        ([1, 2, 3], ("1", "2", "3")),
        (range(3), ("0", "1", "2")),
        ([1.0, 2.5], ("1", "2.5")),
        ([True, False], ("true", "false")),
    ],
)
def test_the_values_of_a_category_are_those_of_the_data_as_text(values: list[object], texts: tuple[str, ...]) -> None:
    field = Category("class", values)  # type: ignore[arg-type]
    assert (field.kind, field.categories, field.is_string, field.nullable) == ("category", texts, True, False)


def test_a_date_has_its_bounds_in_days() -> None:
    field = Date("sold_on", "1970-01-02", "1970-02-01", missing=True)
    assert (field.kind, field.minimum, field.maximum, field.nullable) == ("date", 1, 31, True)
    assert [field.shown(days) for days in (1, 31)] == ["1970-01-02", "1970-02-01"]
    with pytest.raises(ConfigError, match=r'Date\("sold_on"\): .1/2/1970. is not a date such as 2026-01-31'):
        Date("sold_on", "1/2/1970")


def test_an_image_is_a_row_of_pixels() -> None:
    field = Image("ink", 2, 3, maximum=16, step=1)
    assert (field.kind, field.shape, field.width, field.minimum, field.maximum) == ("image", (2, 3), 6, 0, 16)


def test_a_photo_has_three_numbers_for_each_pixel_in_colour() -> None:
    colour = Image("scene", 2, 3, channels=3)
    assert (colour.shape, colour.channels, colour.photo, colour.width, colour.maximum) == ((2, 3), 3, True, 18, 255)
    grey = Image("scene", 2, 3, photo=True)
    assert (grey.channels, grey.photo, grey.width) == (1, True, 6)
    assert not Image("ink", 2, 3).photo


@pytest.mark.parametrize(
    "facts", [{"kind": "number", "photo": True}, {"kind": "image", "shape": (2, 2), "channels": 3}]
)
def test_what_is_in_colour_is_a_photo_and_what_is_a_photo_an_image(facts: Any) -> None:
    with pytest.raises(ValidationError, match="what is in colour is a photo"):
        InputField(name="scene", **facts)


@pytest.mark.parametrize("name", ["1st Flr SF", "人口", "class", "a.b", " ", "x" * 200])
def test_a_name_is_that_of_the_data(name: str) -> None:
    assert Number(name).name == name


@pytest.mark.parametrize("arguments", [{"name": ""}, {"name": "a", "step": 0}, {"name": "a", "minimum": float("nan")}])
def test_what_no_field_can_be_is_refused(arguments: Any) -> None:
    with pytest.raises(ConfigError, match=r"(?s)Number does not fit:\n  \w+: must "):
        Number(**arguments)
