"""The prepared splits, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from portfolio.contract.use_case import UseCase
from portfolio.core.errors import DataError
from portfolio.core.paths import Paths
from portfolio.core.types import Array

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Split:
    """`inputs` by name, [rows, width] each; `targets` [rows]; `rows` the whole table, for slices."""

    inputs: dict[str, Array]
    targets: Array
    rows: pl.DataFrame

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: Array) -> Split:
        """Some of the rows, by their numbers or by a bool for each."""
        inputs = {name: array[rows] for name, array in self.inputs.items()}
        frame = self.rows.filter(rows) if rows.dtype == bool else self.rows[rows]
        return Split(inputs, self.targets[rows], frame)


def load_split(use_case: UseCase, name: str) -> Split:
    return as_split(use_case, pl.read_parquet(_prepared(use_case, f"{name}.parquet")))


def as_split(use_case: UseCase, rows: pl.DataFrame) -> Split:
    """Normalized rows as a split."""
    return Split(use_case.features(rows), use_case.targets(rows), rows)


def data_sha256(use_case: UseCase) -> str:
    return _prepared(use_case, "sha256").read_text()


def _prepared(use_case: UseCase, name: str) -> Path:
    path = Paths(use_case.name).splits / name
    if not path.exists():
        raise DataError(
            f"{path} is missing. Collect, and run the stages before this one: portfolio collect {use_case.name}, then "
            f"dvc repro prepare@{use_case.name}"
        )
    return path


def sklearn_input(use_case: UseCase, inputs: dict[str, Array]) -> Any:
    """What scikit-learn is fitted on: an image [rows, width] as it is, else a data frame of inputs and SQL features."""
    if [field.kind for field in use_case.inputs] == ["image"]:
        return inputs[use_case.inputs[0].name]
    import pandas

    columns = {**inputs, **use_case.graph_features.compute(inputs)}
    frame: pd.DataFrame = pandas.DataFrame({name: array[:, 0] for name, array in columns.items()})
    return frame
