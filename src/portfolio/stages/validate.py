"""Check every collected batch. Bad rows go to quarantine with the reason; a batch with too many goes whole."""

from __future__ import annotations

import json
from pathlib import Path

import pandera.errors
import polars as pl
from pandera.polars import DataFrameSchema

from portfolio.contract.config import Config, Validate
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.errors import DataError
from portfolio.core.paths import Paths


def run(use_case: UseCase, config: Config) -> None:
    paths = Paths(use_case.name)
    batches = sorted(paths.batches.glob("*.parquet"))
    if not batches:
        raise DataError(
            f"Nothing has been collected for '{use_case.name}': {paths.batches} holds no batch. "
            f"Collect first: portfolio collect {use_case.name}"
        )
    schema = use_case.schema()
    limits = config.validate_
    with files.replaced_folder(paths.clean) as clean, files.replaced_folder(paths.quarantine) as quarantine:
        for path in batches:
            good, bad = check_batch(path, schema, use_case, limits)
            _write(good, clean / path.name)
            _write(bad, quarantine / path.name)
        # Only rows that stood every other test count as delivered: a batch that was refused may be sent again.
        for name, keys in repeated_keys(clean, use_case.key).items():
            good, bad = split_repeated(pl.read_parquet(clean / name), keys, use_case.key, limits)
            if (quarantine / name).exists():
                bad = pl.concat([pl.read_parquet(quarantine / name), bad])
            _write(good, clean / name)
            _write(bad, quarantine / name)
        counts = {
            "batches": len(batches),
            "rows": _rows(clean),
            "bad_rows": _rows(quarantine),
            "quarantined_batches": len(batches) - len(list(clean.iterdir())),
        }
        if counts["rows"] == 0:
            reasons = pl.concat([pl.read_parquet(path, columns=["reason"]) for path in quarantine.iterdir()])
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
            faults = [_describe(case) for case in of_schema.iter_rows(named=True)]
            return whole(f"the batch does not fit the schema: {'; '.join(faults)}")
        for case in cases.iter_rows(named=True):
            reasons.setdefault(case["index"], []).append(_describe(case))
    if len(reasons) > limits.max_bad_fraction * len(frame):
        first = next(iter(reasons.values()))[0]
        return whole(
            f"{len(reasons)} of {len(frame)} rows are bad, over {limits.max_bad_fraction:.0%} (first: {first})"
        )
    good = frame.filter(~pl.int_range(pl.len()).is_in(list(reasons)))
    missing = missing_classes(good, use_case)
    if missing:
        return whole(f"no row of class {', '.join(missing)}")
    bad = frame[sorted(reasons)].with_columns(
        pl.Series("reason", ["; ".join(reasons[row]) for row in sorted(reasons)], dtype=pl.String)
    )
    return good, bad


def repeated_keys(folder: Path, key: str) -> dict[str, list[str]]:
    """By file, the keys of its rows that an earlier file has already. One pass over the key column alone."""
    paths = sorted(folder.iterdir())
    if not paths:
        return {}
    rows = pl.concat(
        [
            pl.read_parquet(path, columns=[key]).with_columns(pl.lit(number).alias("file"))
            for number, path in enumerate(paths)
        ]
    )
    again = rows.filter(pl.col(key).is_duplicated()).filter(pl.col("file") > pl.col("file").min().over(key))
    return {paths[number].name: keys for number, keys in again.group_by("file").agg(key).iter_rows()}


def split_repeated(
    frame: pl.DataFrame, keys: list[str], key: str, limits: Validate
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that are new, and those that an earlier batch delivered, with a column `reason`."""
    repeated = pl.col(key).is_in(keys)
    if len(keys) > limits.max_bad_fraction * len(frame):
        reason = f"{len(keys)} of {len(frame)} rows were in an earlier batch, over {limits.max_bad_fraction:.0%}"
        return frame.clear(), frame.with_columns(pl.lit(reason).alias("reason"))
    reason = f"{key}: was in an earlier batch"
    return frame.filter(~repeated), frame.filter(repeated).with_columns(pl.lit(reason).alias("reason"))


def missing_classes(frame: pl.DataFrame, use_case: UseCase) -> list[str]:
    if use_case.output.task != "classification":
        return []
    present = set(frame[use_case.target].unique())
    return [name for number, name in enumerate(use_case.output.classes) if number not in present]


def _describe(case: dict[str, object]) -> str:
    """One fault that Pandera found, in words."""
    match case["check"]:
        case "column_in_schema":
            return f"there is no column {case['failure_case']!r} in the schema"
        case "column_in_dataframe":
            return f"the column {case['failure_case']!r} is missing"
        case check:
            return f"{case['column']}: {check} (found {case['failure_case']!r})"


def _write(rows: pl.DataFrame, path: Path) -> None:
    """Write the rows, or see to it that there is no file where there are none."""
    path.unlink(missing_ok=True)
    if not rows.is_empty():
        rows.write_parquet(path)


def _rows(folder: Path) -> int:
    return sum(pl.scan_parquet(path).select(pl.len()).collect().item() for path in folder.iterdir())
