"""Rows of other splits whose inputs are exactly those of a training row: a model has seen them before."""

from __future__ import annotations

import polars as pl

from portfolio.contract.use_case import UseCase


def count_duplicates(use_case: UseCase, rows: pl.DataFrame, train: pl.DataFrame) -> dict[str, int]:
    """`rows`: how many of the clean rows have exactly the inputs of a training row, missing values included.

    `other_target`: how many of those have a target that none of these training rows has.
    """
    inputs = [f"input {number}" for number in range(len(use_case.inputs))]
    # Under names of our own, so that no column of the data collides with ours.
    columns = [pl.col(field.name).alias(name) for field, name in zip(use_case.inputs, inputs, strict=True)]
    columns.append(pl.col(use_case.target.column).alias("target"))
    seen = train.select(columns).group_by(inputs).agg(pl.col("target").unique().alias("seen"))
    found = rows.select(columns).join(seen, on=inputs, nulls_equal=True)
    other_target = found.select((~pl.col("target").is_in(pl.col("seen"))).sum()).item()
    return {"rows": len(found), "other_target": int(other_target)}
