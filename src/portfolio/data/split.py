"""Every row's split, by a hash of its identity: a row never moves when data grow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import polars as pl

from portfolio.bundle.manifest import SplitColumn, SplitRule
from portfolio.contract.config import Prepare
from portfolio.contract.sources import Cell, Source
from portfolio.contract.use_case import BATCH
from portfolio.core.hashing import uniform
from portfolio.core.types import Array

SPLITS = ("test", "val", "train")
SALT = "split"


def identities(source: Source, rows: pl.DataFrame) -> pl.DataFrame:
    """The value that decides a row's split: what rows that belong together share, or else the row's key.

    A row that lacks any of the shared values stands on its own.
    """
    return _identities(source.key, source.split_by, rows)


def split_rule(source: Source, fractions: Prepare, rows: pl.DataFrame) -> SplitRule:
    """What a manifest says of the rows that a model was trained and chosen on."""
    by = [SplitColumn(column=by) if isinstance(by, str) else SplitColumn(**asdict(by)) for by in source.split_by]
    return SplitRule(
        key=source.key, split_by=tuple(by), until=str(rows[BATCH].max()), **fractions.model_dump(by_alias=True)
    )


def is_fresh(rule: SplitRule, rows: pl.DataFrame) -> Array:
    """For each row whether a model under that rule was neither trained nor chosen on it, bool [rows].

    Where the rows lack a column that the rule names, only those of later batches are.
    """
    later = (rows[BATCH] > rule.until).to_numpy()
    if not {rule.key, *(by.column for by in rule.split_by)} <= set(rows.columns):
        return later
    split_by = [by.column if by.size is None else Cell(by.column, by.size) for by in rule.split_by]
    tested = uniform(_identities(rule.key, split_by, rows), salt=SALT) < rule.test_fraction
    return later | tested


def _identities(key: str, split_by: Sequence[str | Cell], rows: pl.DataFrame) -> pl.DataFrame:
    if not split_by:
        return rows.select(key)
    shared = pl.concat_str([_shared(by) for by in split_by], separator="\x1f")
    return rows.select(pl.coalesce(shared, pl.col(key)))


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
    shares = uniform(identities(source, rows), salt=SALT)
    return np.digitize(shares, [fractions.test_fraction, fractions.test_fraction + fractions.val_fraction])
