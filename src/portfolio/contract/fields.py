"""The inputs of a use case, one line each: `Number("age", 0, 100, unit="years", missing=True)`.

Each of these makes an `InputField`, which goes into the bundle's manifest as it is declared. So the schema, the
preprocessing, the request model, the page's form and the drift reference all follow from the same line.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Literal

import numpy as np

from portfolio.bundle.manifest import InputField
from portfolio.bundle.texts import NORMALIZATION
from portfolio.contract.declaration import declaration
from portfolio.core.dates import days_of
from portfolio.core.errors import ConfigError
from portfolio.core.labels import category_text
from portfolio.core.types import Array

if TYPE_CHECKING:
    import polars as pl


def is_of_bytes(field: InputField) -> bool:
    """Whether the values of an image are kept as bytes, a quarter of the memory: whole numbers of a photo up to 255."""
    low, high = field.minimum, field.maximum
    return field.photo and field.step == 1 and low is not None and high is not None and 0 <= low < high <= 255


def as_arrays(fields: Sequence[InputField], rows: pl.DataFrame) -> dict[str, Array]:
    """Normalized rows as a bundle takes them: by field, float32 or str of shape [rows, width]."""
    import polars as pl

    arrays: dict[str, Array] = {}
    for field in fields:
        column = rows[field.name]
        if field.is_string:
            arrays[field.name] = column.fill_null("").to_numpy().astype(object).reshape(-1, 1)
        elif field.kind == "image":
            # A copy: what polars shares is read-only, which torch warns of.
            arrays[field.name] = np.array(column.to_numpy(), dtype=np.float32, order="C")
        else:
            # A date is its days since 1970-01-01.
            arrays[field.name] = column.to_physical().cast(pl.Float32).to_numpy().reshape(-1, 1)
    return arrays


@declaration
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


@declaration
def Category(  # noqa: N802  (as above)
    name: str, categories: Sequence[str | int | float | bool], *, missing: bool = False, description: str = ""
) -> InputField:
    """One of some values, as the data write them: texts, integers or booleans."""
    texts = tuple(category_text(category) for category in categories)
    return InputField(name=name, kind="category", categories=texts, nullable=missing, description=description)


@declaration
def Date(  # noqa: N802  (as above)
    name: str,
    minimum: str | date | None = None,
    maximum: str | date | None = None,
    *,
    missing: bool = False,
    description: str = "",
) -> InputField:
    """A day, from `minimum` to `maximum` as far as they are given, such as "2015-01-01"; of a time, the day counts.

    A model sees how many days have gone by, the day of the week and the place in the year.
    """
    bounds: list[int | None] = []
    for bound in (minimum, maximum):
        try:
            bounds.append(None if bound is None else days_of(bound))
        except ValueError as error:
            raise ConfigError(f'Date("{name}"): {error}.') from error
    return InputField(
        name=name, kind="date", minimum=bounds[0], maximum=bounds[1], nullable=missing, description=description
    )


@declaration
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


@declaration
def FreeText(name: str, max_length: int, *, missing: bool = False, description: str = "") -> InputField:  # noqa: N802
    """A text in any language, of at most `max_length` characters. Width, case and white space are made alike.

    Raises ConfigError for a `max_length` below 1.
    """
    if max_length < 1:
        raise ConfigError(f'FreeText("{name}", {max_length}): max_length must be at least 1.')
    return InputField(
        name=name,
        kind="text",
        max_length=max_length,
        normalization=NORMALIZATION,
        nullable=missing,
        description=description,
    )
