"""The distribution of the inputs in the training rows, which drift is measured against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from portfolio.bundle.manifest import InputField, Reference
from portfolio.bundle.summaries import summaries
from portfolio.core.errors import DataError
from portfolio.core.types import Array

REFERENCE_BINS = 10
# Values that agree so far are taken for the same.
SIGNIFICANT_DIGITS = 6
SAME = 10.0**-SIGNIFICANT_DIGITS
# More than any writing system that is in daily use.
MAX_CHARACTERS = 20_000


def reference(field: InputField, values: Array) -> Reference:
    """The distribution of one input, [rows, width], for drift.

    Shares by tenths of a number, of a picture's mean or of a text's length; or by category. Raises DataError for a
    category that is not declared: no model sees it, so it must not be lost without a word.
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
        return of_categories(column, field.categories)
    texts = values[:, 0].tolist() if field.kind == "text" else []
    first, *others = summaries(field, values).items()
    found = of_numbers(first[1])
    more = {name: of_numbers(column) for name, column in others}
    return found.model_copy(update={"summaries": more, "characters": _characters(texts)})


def of_categories(column: Array, categories: Sequence[str]) -> Reference:
    """Shares by category of texts [rows]; an empty one is missing."""
    shares = [float(np.mean(column == category)) for category in categories]
    return Reference(
        categories=tuple(categories),
        shares=tuple(shares),
        missing_share=float(np.mean(column == "")),
        rows=len(column),
    )


def of_numbers(column: Array) -> Reference:
    """Shares by tenths of values [rows]; one that is not finite is missing."""
    present = column[np.isfinite(column)]
    if len(present) == 0:
        return Reference(shares=(0.0,), missing_share=1.0, rows=len(column))
    edges = _edges(present)
    counts = np.bincount(np.digitize(present, edges), minlength=len(edges) + 1)
    return Reference(
        edges=tuple(edges.tolist()),
        shares=tuple((counts / len(present)).tolist()),
        missing_share=float(1 - len(present) / len(column)),
        rows=len(column),
        # A little further, for the same reason as the edges.
        low=float(present.min() - abs(present.min()) * SAME),
        high=float(present.max() + abs(present.max()) * SAME),
    )


def _edges(values: Array) -> Array:
    """Where tenths of the values begin, each halfway between two values that differ.

    A value that many rows have must not lie on an edge: the same row comes out a little differently, alone and among
    others, and would change sides.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        digits = np.power(10.0, SIGNIFICANT_DIGITS - 1 - np.floor(np.log10(np.abs(values, dtype=np.float64))))
        rounded = np.where(np.isfinite(digits), np.round(values * digits) / digits, values)
    distinct = np.unique(rounded)
    wanted = np.quantile(rounded, np.linspace(0, 1, REFERENCE_BINS + 1)[1:-1])
    places = np.unique(np.searchsorted(distinct, wanted))
    places = places[places > 0]
    return np.asarray((distinct[places - 1] + distinct[places]) / 2)


def _characters(texts: list[str]) -> str:
    counts = Counter(character for text in texts for character in text)
    return "".join(sorted(counts, key=lambda character: (-counts[character], character))[:MAX_CHARACTERS])
