"""Every row's split, by a hash of its identity: a row never moves when data grow."""

from __future__ import annotations

import numpy as np
import polars as pl

from portfolio.contract.config import Prepare
from portfolio.contract.sources import Cell, Source
from portfolio.core.hashing import uniform
from portfolio.core.types import Array

SPLITS = ("test", "val", "train")


def identities(source: Source, rows: pl.DataFrame) -> pl.DataFrame:
    """The value that decides a row's split: what rows that belong together share, or else the row's key.

    A row that lacks any of the shared values stands on its own.
    """
    if not source.split_by:
        return rows.select(source.key)
    shared = pl.concat_str([_shared(by) for by in source.split_by], separator="\x1f")
    return rows.select(pl.coalesce(shared, pl.col(source.key)))


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
    shares = uniform(identities(source, rows), salt="split")
    return np.digitize(shares, [fractions.test_fraction, fractions.test_fraction + fractions.val_fraction])
