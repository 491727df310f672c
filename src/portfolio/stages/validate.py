"""Check every collected batch. Bad rows go to quarantine with the reason; a batch with too many goes whole."""

from __future__ import annotations

import json
from pathlib import Path

import pandera.errors
import polars as pl
from pandera.polars import DataFrameSchema

from portfolio import files
from portfolio.config import Config, Validate
from portfolio.errors import DataError
from portfolio.paths import Paths
from portfolio.use_case import UseCase


def run(use_case: UseCase, config: Config) -> None:
    paths = Paths(use_case.name)
    batches = sorted(paths.batches.glob("*.parquet"))
    if not batches:
        raise DataError(
            f"Nothing has been collected for '{use_case.name}': {paths.batches} holds no batch. "
            f"Collect first: portfolio collect {use_case.name}"
        )
    schema = use_case.schema()
    counts = {"batches": len(batches), "rows": 0, "bad_rows": 0, "quarantined_batches": 0}
    with files.replaced_folder(paths.clean) as clean, files.replaced_folder(paths.quarantine) as quarantine:
        for path in batches:
            good, bad = check_batch(path, schema, use_case, config.validate_)
            counts["rows"] += len(good)
            counts["bad_rows"] += len(bad)
            counts["quarantined_batches"] += good.is_empty()
            if not good.is_empty():
                good.write_parquet(clean / path.name)
            if not bad.is_empty():
                bad.write_parquet(quarantine / path.name)
        if counts["rows"] == 0:
            reasons = pl.concat([pl.read_parquet(path).select("reason") for path in quarantine.iterdir()])
            raise DataError(
                f"Every batch of '{use_case.name}' is bad: {'; '.join(reasons['reason'].unique().sort()[:5])}. "
                "Mend the source or the schema; the raw batches are as they were."
            )
    files.write_text(paths.metrics("validate"), json.dumps(counts, indent=1) + "\n")
    print(
        f"{counts['rows']:,} good rows in {counts['batches']} batches; quarantined: {counts['bad_rows']:,} rows, "
        f"{counts['quarantined_batches']} whole batches"
    )


def check_batch(
    path: Path, schema: DataFrameSchema, use_case: UseCase, limits: Validate
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The good rows, and the bad ones with a column `reason`. Every row is in exactly one of them.

    Raises DataError if the file can't be read as Parquet.
    """
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"{path} can't be read ({str(error).splitlines()[0]}). It is cut off or no Parquet file. Delete it and "
            f"collect again: portfolio collect {use_case.name}"
        ) from error

    def whole(reason: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        return frame.clear(), frame.with_columns(pl.lit(reason).alias("reason"))

    if len(frame) < limits.min_rows:
        return whole(f"the batch has {len(frame)} rows, fewer than {limits.min_rows}")
    reasons: dict[int, list[str]] = {}
    try:
        schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases
        of_schema = cases.filter(pl.col("index").is_null())
        if not of_schema.is_empty():
            return whole(f"the batch does not fit the schema: {_describe(of_schema.row(0, named=True))}")
        for case in cases.iter_rows(named=True):
            reasons.setdefault(case["index"], []).append(_describe(case))
    if len(reasons) > limits.max_bad_fraction * len(frame):
        first = next(iter(reasons.values()))[0]
        return whole(
            f"{len(reasons)} of {len(frame)} rows are bad, over {limits.max_bad_fraction:.0%} (first: {first})"
        )
    good = frame.filter(pl.Series([row not in reasons for row in range(len(frame))], dtype=pl.Boolean))
    missing = missing_classes(good, use_case)
    if missing:
        return whole(f"no row of class {', '.join(missing)}")
    bad = frame[sorted(reasons)].with_columns(
        pl.Series("reason", ["; ".join(reasons[row]) for row in sorted(reasons)], dtype=pl.String)
    )
    return good, bad


def missing_classes(frame: pl.DataFrame, use_case: UseCase) -> list[str]:
    if use_case.output.task != "classification":
        return []
    present = set(frame[use_case.target].unique())
    return [name for number, name in enumerate(use_case.output.classes) if number not in present]


def _describe(case: dict[str, object]) -> str:
    return f"{case['column'] or case['failure_case']}: {case['check']} (found {case['failure_case']!r})"
