"""What speaks against labels that came back: people err, programs repeat themselves, and some mean harm.

What is natural for the data is no reason: where the source itself has the same inputs again and again, or with
different labels, so may feedback.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from portfolio.contract.config import Retrain
from portfolio.contract.use_case import UseCase
from portfolio.data.batches import OF_FEEDBACK, REFUSED, is_feedback
from portfolio.data.normalize import normalize

CERTAIN = 0.9
"""From this certainty on, an answer speaks against a label that contradicts it."""
MIN_CERTAIN = 20
CHANCE = 0.001
"""What would come about by chance this rarely is told, or refused."""
WHOSE = {True: "of what the machine answered alone", False: "of what people decided"}
BURST_ROWS = 50
BURST_SHARE = 0.5

ROW, TARGET, SOURCE = "place of the row", "its target", "rows of the source"


def doubts(
    use_case: UseCase, limits: Retrain, rows: pl.DataFrame, facts: pl.DataFrame, folder: Path
) -> tuple[pl.Series, list[str]]:
    """Why each row may not be learned from, text [rows] or null, and what else is worth telling.

    `folder` has the batches that were collected before.
    """
    reasons = _repeated(use_case, rows, folder)
    counts = reasons.drop_nulls().str.replace(r" \(.*\)", "").value_counts(sort=True)
    notes = [*_bursts(facts), *(f"refused: {count:,}, {reason}" for reason, count in counts.iter_rows())]
    # Each apart: those of one side, who may be the only ones that err, would be lost among the others.
    for by_machine in (True, False):
        of = facts["by_machine"] == by_machine
        contradicted, is_refused = contradicted_answers(facts.filter(of), limits.max_contradicted)
        notes = [*(f"{WHOSE[by_machine]}: {told}" for told in contradicted), *notes]
        if is_refused:
            reasons = pl.select(pl.when(of).then(pl.lit(contradicted[0])).otherwise(reasons)).to_series()
    return reasons, notes


def contradicted_answers(facts: pl.DataFrame, limit: float) -> tuple[list[str], bool]:
    """Labels that contradict certain answers, if they are more than calibration allows, and whether far more.

    Of rows such as the model was trained on: that it errs on others speaks against the model, and not the labels.
    """
    from scipy.stats import binom

    certain = facts.filter("inside", pl.col("certainty") >= CERTAIN, pl.col("right").is_not_null())
    if len(certain) < MIN_CERTAIN:
        return [], False
    seen = int((~certain["right"]).sum())
    expected = float((1 - certain["certainty"]).sum())
    if binom.sf(seen - 1, len(certain), expected / len(certain)) >= CHANCE:
        return [], False
    share = seen / len(certain)
    told = (
        f"{seen:,} of {len(certain):,} labels contradict an answer of at least {CERTAIN:.0%} certainty on familiar "
        f"inputs; {expected:,.1f} would be expected"
    )
    if share <= limit:
        return [f"{told}. Either the world has changed, or labels are wrong"], False
    return [
        f"{told}, and more than {limit:.0%} is taken for wrong labels. If they are right, raise "
        "retrain.max_contradicted, and delete this batch: its labels are then taken again"
    ], True


def _bursts(facts: pl.DataFrame) -> list[str]:
    """Many labels at once, or from one request, compared with the rest."""
    found = []
    for what, keys in (
        ("came within one minute", facts["received_at"].dt.truncate("1m")),
        ("are of one request", facts["request_id"]),
    ):
        most = keys.value_counts(sort=True)["count"]
        rest = len(facts) - most[0]
        if rest and most[0] >= BURST_ROWS and most[0] > BURST_SHARE * len(facts):
            found.append(f"a burst: {most[0]:,} of {len(facts):,} labels {what}")
    return found


def _repeated(use_case: UseCase, rows: pl.DataFrame, folder: Path) -> pl.Series:
    """Rows with the same inputs: refused where labels differ, or where there are more than the source would have."""
    from scipy.stats import binom

    nothing = pl.Series([None] * len(rows), dtype=pl.String)
    normal = normalize(use_case, rows)
    if normal.faults:
        # Validation says so, of the whole batch.
        return nothing
    inputs = [f"input {number}" for number in range(len(use_case.inputs))]
    here = _comparable(use_case, normal.frame, inputs).with_row_index(ROW)
    groups = here.group_by(inputs, maintain_order=True).agg(pl.col(ROW), pl.col(TARGET).n_unique())
    known, total = _known(use_case, groups.select(inputs), inputs, folder)
    groups = groups.join(known, on=inputs, how="left", nulls_equal=True, maintain_order="left")
    reasons: list[str | None] = [None] * len(rows)
    for places, labels, before, of_source, of_source_labels in groups.select(
        ROW, TARGET, "before", SOURCE, "labels of the source"
    ).iter_rows():
        natural = (of_source or 0) > 1
        if labels > 1 and (of_source_labels or 0) < 2:
            for place in places:
                reasons[place] = f"the same inputs have {labels} different labels"
            continue
        allowed = 1 - (before or 0)
        if natural:
            allowed = int(binom.ppf(1 - CHANCE, len(rows), of_source / total))
        for place in places[max(0, allowed) :]:
            reasons[place] = f"the same inputs came before ({len(places):,} times in this batch)"
    return pl.Series(reasons, dtype=pl.String)


def _comparable(use_case: UseCase, frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Normalized rows as a server sees them: numbers in single precision."""
    columns = [
        (pl.col(field.name).cast(pl.Float32) if field.kind == "number" else pl.col(field.name)).alias(name)
        for field, name in zip(use_case.inputs, names, strict=True)
    ]
    return frame.select(*columns, pl.col(use_case.target.column).alias(TARGET))


def _known(use_case: UseCase, wanted: pl.DataFrame, inputs: list[str], folder: Path) -> tuple[pl.DataFrame, int]:
    """How often the wanted inputs were collected before, and how many rows of the source there are in all."""
    parts, total = [], 0
    for path in sorted(folder.glob("*.parquet")):
        try:
            frame = pl.read_parquet(path)
        except (pl.exceptions.PolarsError, OSError):
            # Validation says so.
            continue
        if REFUSED in frame.columns:
            frame = frame.filter(pl.col(REFUSED).is_null()).drop(OF_FEEDBACK)
        normal = normalize(use_case, frame)
        if normal.faults:
            continue
        total += 0 if is_feedback(path) else len(frame)
        part = _comparable(use_case, normal.frame, inputs).join(wanted, on=inputs, how="semi", nulls_equal=True)
        parts.append(part.with_columns(pl.lit(not is_feedback(path)).alias("of source")))
    if not parts:
        empty = {"before": pl.UInt32, SOURCE: pl.UInt32, "labels of the source": pl.UInt32}
        return wanted.clear().with_columns(pl.lit(None, dtype=kind).alias(name) for name, kind in empty.items()), 0
    of_source = pl.col(TARGET).filter(pl.col("of source"))
    counted = (
        pl.concat(parts)
        .group_by(inputs)
        .agg(
            pl.len().alias("before"),
            of_source.len().alias(SOURCE),
            of_source.n_unique().alias("labels of the source"),
        )
    )
    return counted, total
