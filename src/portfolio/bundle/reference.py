"""The distribution of the inputs in the training rows, which drift is measured against."""

from __future__ import annotations

from collections import Counter

import numpy as np

from portfolio.bundle.manifest import InputField, Reference
from portfolio.core.errors import DataError
from portfolio.core.types import Array

REFERENCE_BINS = 10
# More than any writing system that is in daily use.
MAX_CHARACTERS = 20_000


def reference(field: InputField, values: Array) -> Reference:
    """The distribution of one input, [rows, width], for drift: shares by tenths, of a text's length, or by category.

    Raises DataError for a category that is not declared: no model sees it, so it must not be lost without a word.
    """
    if field.kind == "category":
        column = values[:, 0].astype(str)
        strange = sorted({str(value) for value in column} - {*field.categories, ""})
        if strange:
            raise DataError(
                f"The column '{field.name}' has values that are none of its categories: "
                f"{', '.join(map(repr, strange[:5]))}. Add them to its categories in use_case.py, or let `schema` "
                "refuse the rows."
            )
        shares = [float(np.mean(column == category)) for category in field.categories]
        return Reference(categories=field.categories, shares=tuple(shares), missing_share=float(np.mean(column == "")))
    texts = values[:, 0].tolist() if field.kind == "text" else []
    # A text that is not there is empty.
    column = np.array([len(text) or np.nan for text in texts]) if texts else values.mean(axis=1)
    present = column[np.isfinite(column)]
    if len(present) == 0:
        return Reference(shares=(0.0,), missing_share=1.0)
    edges = np.unique(np.quantile(present, np.linspace(0, 1, REFERENCE_BINS + 1)[1:-1]))
    counts = np.bincount(np.digitize(present, edges), minlength=len(edges) + 1)
    return Reference(
        edges=tuple(edges.tolist()),
        shares=tuple((counts / len(present)).tolist()),
        missing_share=float(1 - len(present) / len(column)),
        characters=_characters(texts),
    )


def _characters(texts: list[str]) -> str:
    counts = Counter(character for text in texts for character in text)
    return "".join(sorted(counts, key=lambda character: (-counts[character], character))[:MAX_CHARACTERS])
