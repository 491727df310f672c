"""A few features of an input that have names, by which drift is measured and told."""

from __future__ import annotations

import numpy as np

from portfolio.bundle.manifest import InputField
from portfolio.core.types import Array

DATE = "date"
"""The summary of a date, in days since 1970-01-01."""


def summaries(field: InputField, values: Array) -> dict[str, Array]:
    """Of an input's values [rows, width], by name: float64 [rows] each; NaN is missing.

    A number is its own summary, and a date its days. A picture has its brightness, its contrast (the standard deviation
    of its pixels) and its sharpness (the mean difference between neighbours). A text has its length in characters, the
    share of them that are letters, and its variety (distinct characters by length: a text pasted twice has half as
    much).
    """
    if field.kind == "text":
        return _of_texts(values[:, 0].tolist())
    numbers = values.astype(np.float64)
    if field.kind != "image":
        return {DATE if field.kind == "date" else "value": numbers[:, 0]}
    height, width = field.shape
    pixels = numbers.reshape(len(numbers), height, width, field.channels).mean(axis=3)
    steps = [np.abs(np.diff(pixels, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2) if pixels.shape[axis] > 1]
    return {
        "brightness": pixels.mean(axis=(1, 2)),
        "contrast": pixels.std(axis=(1, 2)),
        "sharpness": np.mean(steps, axis=0) if steps else np.zeros(len(pixels)),
    }


def _of_texts(texts: list[str]) -> dict[str, Array]:
    lengths = np.array([len(text) or np.nan for text in texts], dtype=np.float64)
    letters = np.array([sum(map(str.isalpha, text)) for text in texts])
    distinct = np.array([len(set(text)) for text in texts])
    return {"length": lengths, "letters": letters / lengths, "variety": distinct / lengths}
