"""Every row's split, by a hash of its identity: a row never moves when data grow."""

from __future__ import annotations

import numpy as np
import polars as pl

from portfolio.contract.config import Prepare
from portfolio.contract.sources import Source
from portfolio.core.hashing import uniform
from portfolio.core.types import Array

SPLITS = ("test", "val", "train")


def identities(source: Source, rows: pl.DataFrame) -> pl.DataFrame:
    """The values that a row's split follows from: what rows that belong together share, or else its key.

    A row that lacks any of those values stands for itself.
    """
    if not source.split_by:
        return rows.select(source.key)
    shared = pl.concat_str([pl.col(name).cast(pl.String) for name in source.split_by], separator="\x1f")
    return rows.select(pl.coalesce(shared, pl.col(source.key)))


def units(source: Source, rows: pl.DataFrame) -> Array | None:
    """Numbers that rows which belong together share, int64 [rows]; None where each row stands for itself."""
    if not source.split_by:
        return None
    (identity,) = identities(source, rows).get_columns()
    return identity.cast(pl.String).rank("dense").cast(pl.Int64).to_numpy()


def split_numbers(source: Source, rows: pl.DataFrame, fractions: Prepare) -> Array:
    """For each row the place of its split in SPLITS, int64 [rows]."""
    shares = uniform(identities(source, rows), salt="split")
    return np.digitize(shares, [fractions.test_fraction, fractions.test_fraction + fractions.val_fraction])
