"""What a batch came to, in rows and in yen."""

from __future__ import annotations

from typing import Any

import polars as pl

from portfolio.bundle.manifest import Manifest
from portfolio.bundle.policy import MACHINE
from portfolio.core.types import Strict

MOST_COMMON = 5


class Summary(Strict):
    """The figures beside a scored file. Yen are None for a model without prices."""

    use_case: str
    model_version: int | None
    digest: str
    rows: int
    """Those that were answered; the rejected ones are not among them."""
    by_machine: int
    by_person: int
    rejected: int
    reasons: dict[str, int]
    """The most common reasons of the rejected rows, with their number."""
    by_hand_yen: float | None
    """What it would cost to do the answered rows by hand."""
    expected_yen: float | None
    """What the answers are expected to save of that, errors and checks included."""
    expected_yen_per_1000: float | None


def summary(
    manifest: Manifest, digest: str, answers: pl.LazyFrame | None, rejected: pl.LazyFrame | None, reason: str
) -> Summary:
    """From all rows of a batch. `reason` is the column of the rejected ones that says why they are."""
    policy = manifest.policy
    wanted = [pl.len().alias("rows"), (pl.col("decision") == MACHINE).sum().alias("by_machine")]
    if policy is not None:
        wanted.append(pl.col("expected_yen").sum())
    of: dict[str, Any] = {"rows": 0, "by_machine": 0, "expected_yen": 0.0}
    if answers is not None:
        of |= answers.select(wanted).collect(engine="streaming").row(0, named=True)
    counts = [] if rejected is None else list(_reasons(rejected, reason).iter_rows())
    yen, rows = of["expected_yen"], of["rows"]
    return Summary(
        use_case=manifest.use_case,
        model_version=manifest.lineage.model_version,
        digest=digest,
        rows=rows,
        by_machine=of["by_machine"],
        by_person=rows - of["by_machine"],
        rejected=sum(count for _, count in counts),
        reasons=dict(counts[:MOST_COMMON]),
        by_hand_yen=None if policy is None else round(rows * policy.prices.by_hand_yen, 2),
        expected_yen=None if policy is None else round(yen, 2),
        expected_yen_per_1000=None if policy is None or not rows else round(1000 * yen / rows, 2),
    )


def _reasons(rejected: pl.LazyFrame, reason: str) -> pl.DataFrame:
    # Without the value that was found, which differs from row to row.
    told = rejected.select(reason=pl.col(reason).str.replace_all(r" \(found [^)]*\)", ""))
    counted = told.group_by("reason").len().collect(engine="streaming")
    return counted.sort("len", "reason", descending=[True, False])
