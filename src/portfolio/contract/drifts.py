"""Ways in which what a model is asked may change after it was trained, for `portfolio simulate`.

Each takes normalized rows and gives the same number of rows, in their order, whose inputs a server still takes. Those
at random draw from a fixed seed, so that the same rows drift in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from portfolio.bundle.manifest import InputField
from portfolio.core.types import Array

if TYPE_CHECKING:
    import polars as pl

Drift = Callable[["pl.DataFrame"], "pl.DataFrame"]
Change = Callable[[Array, InputField], Array]
"""Of pictures, float64 [rows, height, width, channels]."""
SEED = 7


def picture_drifts(field: InputField) -> dict[str, Drift]:
    """What may happen to a scanner or a camera."""
    changes: dict[str, Change] = {
        "blur": _blurred,
        "noise": _noisy,
        "rotation": _rotated,
        "contrast": _faint,
        "pen": _thicker,
    }
    return {name: partial(_changed, field=field, change=change) for name, change in changes.items()}


def _changed(rows: pl.DataFrame, *, field: InputField, change: Change) -> pl.DataFrame:
    import polars as pl

    before = rows[field.name]
    shape = (len(rows), *field.shape, field.channels)
    after = change(before.to_numpy().astype(np.float64).reshape(shape), field)
    low, high = _bounds(field)
    values = _stepped(np.clip(after, low, high), field).reshape(len(rows), field.width)
    return rows.with_columns(pl.Series(field.name, values.astype(np.float32)).cast(before.dtype))


def _bounds(field: InputField) -> tuple[float, float]:
    low = 0.0 if field.minimum is None else field.minimum
    return low, low + 1 if field.maximum is None else field.maximum


def _stepped(values: Array, field: InputField) -> Array:
    return np.round(values / field.step) * field.step if field.step else values


def _blurred(pictures: Array, field: InputField) -> Array:
    """The page moves while it is read: smeared to the right; automatic exposure makes up for the paler ink."""
    width = field.shape[1]
    size = min(width, max(3, width // 2))
    background = _background(pictures, field)
    smeared = sum(_moved(pictures - background, by) for by in range(size)) / size
    return background + smeared * (1 if field.photo else 2.5)


def _moved(pictures: Array, by: int) -> Array:
    moved = np.zeros_like(pictures)
    moved[:, :, by:] = pictures[:, :, : pictures.shape[2] - by]
    return moved


def _background(pictures: Array, field: InputField) -> Array:
    """The paper of a drawing; of a photo its mean colour."""
    if field.photo:
        return np.asarray(pictures.mean(axis=(1, 2), keepdims=True))
    return np.full((1, 1, 1, 1), _bounds(field)[0])


def _noisy(pictures: Array, field: InputField) -> Array:
    low, high = _bounds(field)
    return pictures + np.random.default_rng(SEED).normal(0, 0.25 * (high - low), pictures.shape)


def _rotated(pictures: Array, field: InputField) -> Array:
    """Put in askew, by 25 degrees."""
    from scipy.ndimage import rotate

    turned: Array = rotate(pictures, 25, axes=(2, 1), reshape=False, order=1, mode="nearest")
    return turned


def _faint(pictures: Array, field: InputField) -> Array:
    """A lamp that is going, or a ribbon: half of the contrast to the background."""
    background = _background(pictures, field)
    return np.asarray(background + (pictures - background) * 0.5)


def _thicker(pictures: Array, field: InputField) -> Array:
    """A broader pen: each pixel is as dark as its darkest neighbour."""
    from scipy.ndimage import grey_dilation, grey_erosion

    size = max(2, ceil(min(field.shape) / 12))
    thicker: Array = (grey_erosion if field.photo else grey_dilation)(pictures, size=(1, size, size, 1))
    return thicker


def table_drifts(fields: Sequence[InputField]) -> dict[str, Drift]:
    """Numbers that move by a standard deviation, all or one; values that are not there; a category that grows."""
    numbers = [field for field in fields if field.kind == "number"]
    categories = [field for field in fields if field.kind == "category"]
    nullable = [field for field in fields if field.nullable]
    found: dict[str, Drift] = {}
    if numbers:
        found["shift"] = partial(_shifted, fields=numbers)
        found |= {f"shift-{field.name}": partial(_shifted, fields=[field]) for field in numbers}
    if nullable:
        found["missing"] = partial(_missing, fields=nullable)
    found |= {f"more-{field.name}": partial(_grown, field=field) for field in categories}
    return found


def _shifted(rows: pl.DataFrame, *, fields: Sequence[InputField]) -> pl.DataFrame:
    import polars as pl

    columns = []
    for field in fields:
        values = rows[field.name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        deviation = 0.0 if np.isnan(values).all() else float(np.nanstd(values))
        moved = np.clip(
            values + deviation,
            -np.inf if field.minimum is None else field.minimum,
            np.inf if field.maximum is None else field.maximum,
        )
        columns.append(pl.Series(field.name, _stepped(moved, field)).fill_nan(None))
    return rows.with_columns(columns)


def _missing(rows: pl.DataFrame, *, fields: Sequence[InputField]) -> pl.DataFrame:
    import polars as pl

    random = np.random.default_rng(SEED)
    kept = {field.name: pl.Series(random.random(len(rows)) < 0.5) for field in fields}
    return rows.with_columns(pl.when(kept[name]).then(pl.col(name)).alias(name) for name in kept)


def _grown(rows: pl.DataFrame, *, field: InputField) -> pl.DataFrame:
    """Half of the rows are now of the category that was the rarest."""
    import polars as pl

    counts = {name: (rows[field.name] == name).sum() for name in field.categories}
    rarest = min(counts, key=lambda name: (counts[name], name))
    chosen = pl.Series(np.random.default_rng(SEED).random(len(rows)) < 0.5)
    return rows.with_columns(pl.when(chosen).then(pl.lit(rarest)).otherwise(pl.col(field.name)).alias(field.name))


def text_drifts(field: InputField) -> dict[str, Drift]:
    """Texts that are cut off, mistyped, or have lost characters on their way."""
    changes: dict[str, Callable[[str, np.random.Generator], str]] = {"cut": _cut, "typos": _mistyped, "lost": _lossy}
    return {name: partial(_rewritten, field=field, change=change) for name, change in changes.items()}


def _rewritten(
    rows: pl.DataFrame, *, field: InputField, change: Callable[[str, np.random.Generator], str]
) -> pl.DataFrame:
    import polars as pl

    random = np.random.default_rng(SEED)
    texts = [text and (change(text, random) or text[:1]) for text in rows[field.name]]
    return rows.with_columns(pl.Series(field.name, texts, dtype=pl.String))


def _cut(text: str, random: np.random.Generator) -> str:
    return text[: ceil(len(text) / 3)].rstrip()


def _mistyped(text: str, random: np.random.Generator) -> str:
    """One pair of neighbours in ten changes places."""
    letters = list(text)
    for place in np.flatnonzero(random.random(max(0, len(letters) - 1)) < 0.1):
        letters[place], letters[place + 1] = letters[place + 1], letters[place]
    return "".join(letters).strip()


def _lossy(text: str, random: np.random.Generator) -> str:
    """One character in five is gone."""
    kept = random.random(len(text)) >= 0.2
    return "".join(letter for letter, stays in zip(text, kept, strict=True) if stays).strip()
