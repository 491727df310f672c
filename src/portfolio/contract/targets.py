"""What a use case predicts: one of several classes, or a quantity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from portfolio.bundle.manifest import Output
from portfolio.contract.declaration import declaration
from portfolio.core.labels import category_text
from portfolio.core.types import Array

if TYPE_CHECKING:
    import polars as pl

Label = str | int | float | bool


@declaration
class Classes:
    """A column that holds one of several labels.

    `labels` are the labels as the data write them, in the order in which they are shown; or a mapping from each to the
    name that people read: `Classes("survived", {0: "died", 1: "survived"})`. `ordered`: they are in an order, such as
    ratings, and an error counts by how many places it is off in `class_distance` and `quadratic_kappa`.
    """

    log = False

    def __init__(self, column: str, labels: Sequence[Label] | Mapping[Any, str], *, ordered: bool = False) -> None:
        self.column = column
        texts = tuple(category_text(label) for label in labels)
        names = tuple(labels.values()) if isinstance(labels, Mapping) else texts
        self.output = Output(task="classification", name=column, classes=names, labels=texts, ordered=ordered)

    def read(self, column: pl.Series) -> Array:
        """Class indices, int64 [rows], of a column of labels as text."""
        numbers = {label: number for number, label in enumerate(self.output.labels)}
        return np.array([numbers[label] for label in column], dtype=np.int64)


@declaration
@dataclass(frozen=True)
class Quantity:
    """A column that holds a number, from `minimum` to `maximum`.

    With `log`, models are trained on the logarithm of a skewed target, which must then be above 0. They still answer in
    its own unit, and never beyond the smallest and the largest value of the training rows.
    """

    column: str
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    log: bool = False

    @property
    def output(self) -> Output:
        return Output(task="regression", name=self.column, unit=self.unit, minimum=self.minimum, maximum=self.maximum)

    def read(self, column: pl.Series) -> Array:
        """Values, float64 [rows]."""
        return column.to_numpy().astype(np.float64)


Target = Classes | Quantity
