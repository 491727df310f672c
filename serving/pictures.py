"""Pictures as PNG or JPEG files, brought to the form of the training data.

A file of exactly the model's height and width is taken pixel by pixel. Any other is a drawing: its ink is cut out,
scaled to the model's size with its proportions kept, and put in the middle; and its strokes are made thinner or
thicker until there is about as much ink as in the training data, which the manifest's reference statistics tell.
Ink is what differs from the background, so that dark strokes on light paper and light ones on dark both work.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt

from portfolio.bundle import Array, InputField, Manifest
from serving.exchange import RequestError, field_error

MEDIA_TYPES = (b"image/png", b"image/jpeg")
MAX_PIXELS = 4_000_000
# A drawing is worked on at this many dots for each of the model's pixels.
DOTS = 8
# How much darker than the paper, of the whole range, a dot of ink must be to count as drawn.
MIN_INK = 0.15
NEIGHBOURS = ((0, 1), (0, -1), (1, 0), (-1, 0))

Floats = npt.NDArray[np.float64]


def read_picture(manifest: Manifest, content: bytes) -> Array:
    """The values [1, height * width] of a file. Raises RequestError if it is no picture, or the model takes none."""
    if len(manifest.inputs) != 1 or manifest.inputs[0].kind != "image":
        raise RequestError(
            415, "unknown_type", "This model takes no pictures. Send JSON, with Content-Type: application/json."
        )
    (field,) = manifest.inputs
    ink = _ink(content)
    if ink.shape != field.shape:
        if not (ink >= MIN_INK).any():
            raise field_error(field.name, "the picture is empty: nothing in it differs from the paper")
        edges = manifest.reference[field.name].edges
        low, high = _range(field)
        mean_ink = (edges[len(edges) // 2] - low) / (high - low) if edges else 0.25
        ink = drawing(ink, (field.shape[0], field.shape[1]), mean_ink)
    return _as_values(field, ink)


def _as_values(field: InputField, ink: Floats) -> Array:
    """Ink from 0 to 1 as the field's values, on its steps."""
    low, high = _range(field)
    values = low + ink * (high - low)
    if field.step:
        values = np.round(values / field.step) * field.step
    return values.astype(np.float32).reshape(1, -1)


def _range(field: InputField) -> tuple[float, float]:
    return (0.0 if field.minimum is None else field.minimum), (1.0 if field.maximum is None else field.maximum)


def _ink(content: bytes) -> Floats:
    """How much ink there is at each dot, 0 to 1, [height, width]."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise field_error("picture", f"has over {MAX_PIXELS:,} pixels; scale it down")
            rgba = picture.convert("RGBA")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise field_error("picture", "is no whole PNG or JPEG file") from error
    # What is transparent shows the paper.
    paper = Image.new("RGBA", rgba.size, "white")
    grey = np.asarray(Image.alpha_composite(paper, rgba).convert("L"), dtype=np.float64) / 255
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return grey if np.median(border) < 0.5 else 1 - grey


def drawing(ink: Floats, shape: tuple[int, int], mean_ink: float) -> Floats:
    """A drawing of any size as ink [height, width] in the form of the training data."""
    from PIL import Image

    drawn = ink >= MIN_INK
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = shape[0] * DOTS, shape[1] * DOTS
    factor = min(height / cut.shape[0], width / cut.shape[1])
    size = (max(1, round(cut.shape[1] * factor)), max(1, round(cut.shape[0] * factor)))
    small = np.asarray(Image.fromarray((cut * 255).astype(np.uint8)).resize(size, Image.Resampling.BOX)) / 255
    canvas = np.zeros((height, width))
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = small
    stroke = _with_strokes(canvas >= 0.5 if (canvas >= 0.5).any() else canvas > 0, mean_ink)
    return np.asarray(stroke.reshape(shape[0], DOTS, shape[1], DOTS).mean(axis=(1, 3)))


def _with_strokes(drawn: npt.NDArray[np.bool_], mean_ink: float) -> npt.NDArray[np.bool_]:
    """The drawing with its strokes thinner or thicker, dot by dot, until its mean ink is nearest to the one given."""
    best = drawn
    step = _thicker if drawn.mean() < mean_ink else _thinner
    while True:
        changed = step(best)
        if abs(changed.mean() - mean_ink) >= abs(best.mean() - mean_ink):
            return best
        best = changed


def _thicker(drawn: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    padded = np.pad(drawn, 1)
    grown = drawn.copy()
    for down, right in NEIGHBOURS:
        grown |= padded[1 + down : padded.shape[0] - 1 + down, 1 + right : padded.shape[1] - 1 + right]
    return grown


def _thinner(drawn: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    return ~_thicker(~drawn)
