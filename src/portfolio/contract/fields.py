"""The inputs of a use case, one line each: `Number("age", 0, 100, unit="years", missing=True)`.

Each of these makes an `InputField`, which goes into the bundle's manifest as it is declared. So the schema, the
preprocessing, the request model, the page's form and the drift reference all follow from the same line.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from portfolio.bundle.manifest import InputField
from portfolio.core.labels import category_text


def is_of_bytes(field: InputField) -> bool:
    """Whether the values of an image are kept as bytes, a quarter of the memory: whole numbers of a photo up to 255."""
    low, high = field.minimum, field.maximum
    return field.photo and field.step == 1 and low is not None and high is not None and 0 <= low < high <= 255


def Number(  # noqa: N802  (reads like the class of which it makes an instance)
    name: str,
    minimum: float | None = None,
    maximum: float | None = None,
    *,
    unit: str = "",
    step: float | None = None,
    missing: bool = False,
    description: str = "",
) -> InputField:
    """A number, integer or not, from `minimum` to `maximum` as far as they are given.

    `missing`: a row may lack it. `step`: every value is a multiple of it.
    """
    return InputField(
        name=name,
        kind="number",
        minimum=minimum,
        maximum=maximum,
        unit=unit,
        step=step,
        nullable=missing,
        description=description,
    )


def Category(  # noqa: N802  (as above)
    name: str, categories: Iterable[str | int | float | bool], *, missing: bool = False, description: str = ""
) -> InputField:
    """One of some values, as the data write them: texts, integers or booleans."""
    texts = tuple(category_text(category) for category in categories)
    return InputField(name=name, kind="category", categories=texts, nullable=missing, description=description)


def Image(  # noqa: N802  (as above)
    name: str,
    height: int,
    width: int,
    maximum: float = 255,
    *,
    minimum: float = 0,
    step: float | None = None,
    channels: Literal[1, 3] = 1,
    photo: bool = False,
    description: str = "",
) -> InputField:
    """A picture: a list of height x width numbers, row by row from the top left, from `minimum` to `maximum`.

    Unless it is a `photo`, it is a drawing: `minimum` is the paper, and `maximum` is full ink. With `channels=3` it is
    a photo in colour, and each pixel has three numbers: red, green and blue.
    """
    return InputField(
        name=name,
        kind="image",
        shape=(height, width),
        channels=channels,
        photo=photo or channels == 3,
        minimum=minimum,
        maximum=maximum,
        step=step,
        description=description,
    )
