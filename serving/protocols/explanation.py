"""Which part of an input mattered, by occlusion (Zeiler and Fergus 2014).

One part at a time is taken away: a pixel of a drawing becomes paper, a patch of a photo becomes grey, a field takes its
typical value, a word is left out.
A part mattered as much as the answer falls without it. All variants of a row are run as one batch.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from portfolio.bundle.bundle import to_array
from portfolio.bundle.manifest import InputField, Manifest
from portfolio.core.dates import iso_date
from portfolio.core.types import Array
from serving.protocols.schema import Inputs

MAX_ROWS = 16
# Per row and field. Larger images and longer texts are taken away in patches.
MAX_PARTS = 1024
# One pixel of a photo says hardly anything.
MAX_PHOTO_PARTS = 256
# Of all variants of an image together, which are held at once: 64 MiB.
MAX_VALUES = 16 * 1024 * 1024
# Of all the texts that a text becomes when one part at a time is left out.
MAX_CHARACTERS = 200_000
# Words, as far as scripts tell. Japanese has no spaces: a word is taken to be a run of kanji with the kana that follow.
WORD = re.compile(
    r"[\u3400-\u9fff\uf900-\ufaff\u3005\u3006]{1,8}[\u3041-\u309f]{0,8}|[\u3041-\u309f]{1,8}|[\u30a0-\u30ff]{1,16}"
    r"|[^\W\u3005-\u9fff\uf900-\ufaff]+|\s+|.",
    re.DOTALL,
)


def typical(manifest: Manifest, field: InputField) -> Any:
    """The value of a field that carries no information: background, the median, the most common category."""
    reference = manifest.reference[field.name]
    if field.kind == "image":
        return [_background(manifest, field)] * field.width
    if field.kind == "text":
        return ""
    if field.kind == "category":
        return reference.categories[int(np.argmax(reference.shares))]
    if not reference.edges:
        return field.example
    middle = reference.edges[len(reference.edges) // 2]
    return iso_date(middle) if field.kind == "date" else middle


def variants(manifest: Manifest, inputs: Inputs) -> tuple[Inputs, dict[str, int]]:
    """A row, [1, width] by field, with one part taken away at a time; and how many parts each field has."""
    parts: dict[str, int] = {}
    columns: dict[str, list[Array]] = {field.name: [] for field in manifest.inputs}
    for field in manifest.inputs:
        without = _without_parts(manifest, field, inputs[field.name])
        parts[field.name] = len(without)
        for other in manifest.inputs:
            same = np.repeat(inputs[other.name], len(without), axis=0)
            columns[other.name].append(without if other.name == field.name else same)
    return {name: np.concatenate(arrays) for name, arrays in columns.items()}, parts


def explanation(
    manifest: Manifest, inputs: Inputs, output: float, answered: int, without: Array, parts: dict[str, int]
) -> dict[str, Any]:
    """By field, how much the output at the place `answered` falls without each part, given `without` [parts, outputs].

    For a class, that is the probability of the answered one; for a value, the value itself. A text has a figure for
    each character of what the model read, which stands beside it.
    """
    falls = (float(output) - without[:, answered]).astype(np.float64)
    found: dict[str, Any] = {}
    start = 0
    for field in manifest.inputs:
        own = falls[start : start + parts[field.name]]
        start += parts[field.name]
        found[field.name] = _spread(field, inputs[field.name], own)
    of = manifest.output.classes[answered] if manifest.output.classes else manifest.output.name
    texts = {field.name: inputs[field.name][0, 0] for field in manifest.inputs if field.kind == "text"}
    return {"method": "occlusion", "of": of, "falls_by": found, **({"texts": texts} if texts else {})}


def _background(manifest: Manifest, field: InputField) -> float:
    """The value of pixels that show nothing: paper; or of a photo, which has none, the usual brightness."""
    edges = manifest.reference[field.name].edges
    return edges[len(edges) // 2] if field.photo and edges else field.minimum or 0.0


def _without_parts(manifest: Manifest, field: InputField, value: Array) -> Array:
    if field.kind == "image":
        patches = _patches(field)
        return np.where(np.repeat(patches, field.channels, axis=1), np.float32(_background(manifest, field)), value)
    if field.kind == "text":
        text = value[0, 0]
        cut = [text[:start] + text[start + size :] for start, size in _windows(text)]
        return np.array(cut, dtype=object).reshape(-1, 1)
    return to_array(field, [typical(manifest, field)])


def _spread(field: InputField, value: Array, falls: Array) -> Any:
    """The falls in the shape of the field: one per pixel, one per character, or a single one."""
    if field.kind == "image":
        patches = _patches(field)
        return ((falls @ patches) / np.maximum(patches.sum(axis=0), 1)).tolist()
    if field.kind == "text":
        windows = _windows(value[0, 0])
        return [float(fall) for fall, (_, size) in zip(falls, windows, strict=True) for _ in range(size)]
    return float(falls[0])


def _patches(field: InputField) -> Array:
    """Which pixels each patch covers, bool [patches, height * width]. In a small drawing a patch is one pixel."""
    height, width = field.shape
    most = min(MAX_PHOTO_PARTS if field.photo else MAX_PARTS, max(1, MAX_VALUES // field.width))
    side = int(np.ceil(np.sqrt(height * width / most))) if height * width > most else 1
    rows, columns = np.divmod(np.arange(height * width), width)
    patch = (rows // side) * -(-width // side) + columns // side
    return np.asarray(np.unique(patch)[:, None] == patch[None, :])


def _windows(text: str) -> list[tuple[int, int]]:
    """Where each part of a text starts, and its number of characters: its words, or several of a long text's."""
    # An empty text has one empty part: a graph need not take a batch of no rows.
    words = [match.span() for match in WORD.finditer(text)] or [(0, 0)]
    most = max(1, min(MAX_PARTS, MAX_CHARACTERS // max(1, len(text))))
    together = -(-len(words) // most) or 1
    parts = [words[place : place + together] for place in range(0, len(words), together)]
    return [(part[0][0], part[-1][1] - part[0][0]) for part in parts]
