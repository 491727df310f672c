"""Every row's split, by a hash of its identity: a row never moves when data grow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from portfolio.bundle.manifest import PredefinedSplit, SplitRule
from portfolio.contract.config import Prepare
from portfolio.contract.sources import Cell, Source
from portfolio.core.hashing import uniform
from portfolio.core.types import Array

SPLITS = ("test", "val", "train")


def identities(source: Source, rows: pl.DataFrame) -> pl.DataFrame:
    """The value that decides a row's split: what rows that belong together share, or else the row's key.

    A row that lacks any of the shared values stands on its own.
    """
    return _identities(source.key, source.split_by, rows)


def _identities(key: str, split_by: Sequence[str | Cell], rows: pl.DataFrame) -> pl.DataFrame:
    if not split_by:
        return rows.select(key)
    shared = pl.concat_str([_shared(by) for by in split_by], separator="\x1f")
    return rows.select(pl.coalesce(shared, pl.col(key)))


def stand_alone(source: Source, rows: pl.DataFrame) -> Array:
    """Whether each row has its split to itself, and shares it with no other row, bool [rows]."""
    (identity,) = identities(source, rows).get_columns()
    return (identity.cast(pl.String) == rows[source.key].cast(pl.String)).to_numpy()


def units(source: Source, rows: pl.DataFrame) -> Array | None:
    """Numbers that rows which belong together share, int64 [rows]; None where each row stands for itself."""
    if not source.split_by:
        return None
    (identity,) = identities(source, rows).get_columns()
    return identity.cast(pl.String).rank("dense").cast(pl.Int64).to_numpy()


def _shared(by: str | Cell) -> pl.Expr:
    if isinstance(by, str):
        return pl.col(by).cast(pl.String)
    # Not `round`, and not a float as text: both may come out differently in another version of polars.
    return (pl.col(by.column) / by.size + 0.5).floor().cast(pl.Int64, strict=False).cast(pl.String)


def split_numbers(source: Source, rows: pl.DataFrame, fractions: Prepare) -> Array:
    """For each row the place of its split in SPLITS, int64 [rows]."""
    return _numbers(identities(source, rows), fractions, source.split, rows)


def split_rule(source: Source, fractions: Prepare) -> SplitRule:
    """How rows are divided, for a bundle's manifest."""
    split_by = tuple(by if isinstance(by, str) else (by.column, by.size) for by in source.split_by)
    return SplitRule(**fractions.model_dump(), key=source.key, split_by=split_by, predefined=source.split)


def is_test_row(rule: SplitRule, rows: pl.DataFrame) -> Array:
    """Whether each row is a test row under that rule, bool [rows]; none is if a column that it needs is gone."""
    split_by = [by if isinstance(by, str) else Cell(*by) for by in rule.split_by]
    columns = [rule.key, *(by if isinstance(by, str) else by.column for by in split_by)]
    columns += [] if rule.predefined is None else [rule.predefined.column]
    if not set(columns) <= set(rows.columns):
        return np.zeros(len(rows), dtype=bool)
    fractions = Prepare(test_fraction=rule.test_fraction, val_fraction=rule.val_fraction)
    numbers = _numbers(_identities(rule.key, split_by, rows), fractions, rule.predefined, rows)
    return np.asarray(numbers == SPLITS.index("test"))


def _numbers(
    identity: pl.DataFrame, fractions: Prepare, predefined: PredefinedSplit | None, rows: pl.DataFrame
) -> Array:
    shares = uniform(identity, salt="split")
    numbers = np.digitize(shares, [fractions.test_fraction, fractions.test_fraction + fractions.val_fraction])
    if predefined is None:
        return numbers
    stated = {getattr(predefined, name): place for place, name in enumerate(SPLITS)}
    found = rows[predefined.column].cast(pl.String).replace_strict(stated, default=None, return_dtype=pl.Int64)
    return found.fill_null(pl.Series(numbers)).to_numpy()
