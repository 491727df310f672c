"""What is wrong with a batch: bad rows with the reason, or the whole batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pandera.errors
import polars as pl
from pandera.polars import DataFrameSchema

from portfolio.contract.config import Validate
from portfolio.contract.use_case import UseCase
from portfolio.core.counted import counted, readable
from portfolio.data.batches import FAIR, OF_FEEDBACK, REFUSED, read_batch
from portfolio.data.columns import other_names
from portfolio.data.normalize import Reasons, labels, normalize

REASON = "reason"
"""The column of quarantined rows that says why they are. A column of the data by that name becomes `reason_given`."""
LONGEST_SHOWN = 100
"""So many characters of a value that does not fit."""


def check_batch(
    path: Path, schema: DataFrameSchema, use_case: UseCase, limits: Validate
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The good rows, normalized, and the bad ones as they came, with a column `reason`. Every row is in one of them.

    Labels that came back to a server are of many people: there, bad rows never count against the others.
    Raises DataError if the file can't be read as Parquet.
    """
    frame = read_batch(path, use_case.name)
    if REFUSED in frame.columns:
        of_refused = frame.filter(pl.col(REFUSED).is_not_null())
        refused = _with_reason(of_refused.drop(OF_FEEDBACK), of_refused[REFUSED])
        kept = frame.filter(pl.col(REFUSED).is_null())
        each = limits.model_copy(update={"max_bad_fraction": 1.0})
        good, bad = check_rows(kept.drop(OF_FEEDBACK), schema, use_case, each)
        if use_case.key in kept.columns:
            good = good.join(kept.select(use_case.key, FAIR), on=use_case.key, how="left", maintain_order="left")
        return good, pl.concat([refused, bad.select(refused.columns)]) if len(refused) else bad
    if len(frame) < limits.min_rows:
        return _whole(frame, f"the batch has {counted(len(frame), 'row')}, fewer than {limits.min_rows}")
    return check_rows(frame, schema, use_case, limits)


def _whole(frame: pl.DataFrame, reason: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    return frame.clear(), _with_reason(frame, pl.lit(reason))


def _with_reason(rows: pl.DataFrame, reason: pl.Series | pl.Expr) -> pl.DataFrame:
    return rows.rename(other_names(rows.columns, [REASON])).with_columns(reason.alias(REASON))


def check_rows(
    frame: pl.DataFrame, schema: DataFrameSchema, use_case: UseCase, limits: Validate
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The same of rows that are in no file."""
    found = normalize(use_case, frame)
    if found.faults:
        return _whole(frame, f"the batch does not fit the use case: {'; '.join(found.faults)}")
    reasons = found.reasons
    try:
        schema.validate(found.frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases
        of_schema = cases.filter(pl.col("index").is_null())
        if not of_schema.is_empty():
            faults = [described(case) for case in of_schema.iter_rows(named=True)]
            return _whole(frame, f"the batch does not fit the schema: {'; '.join(faults)}")
        add_reasons(reasons, cases)
    if len(reasons) > limits.max_bad_fraction * len(frame):
        first = next(iter(reasons.values()))[0]
        return _whole(
            frame, f"{len(reasons)} of {len(frame)} rows are bad, over {limits.max_bad_fraction:.0%} (first: {first})"
        )
    good = found.frame.filter(~pl.int_range(pl.len()).is_in(list(reasons)))
    told = pl.Series(["; ".join(reasons[row]) for row in sorted(reasons)], dtype=pl.String)
    return good, _with_reason(frame[sorted(reasons)], told)


def repeated_keys(folder: Path, key: str) -> dict[str, list[str]]:
    """By file, the keys of its rows that an earlier file has already. One pass over the key column alone."""
    paths = sorted(folder.iterdir())
    if not paths:
        return {}
    # Under names of our own, whatever the data call their key.
    rows = pl.concat(
        [
            pl.read_parquet(path, columns=[key]).select(pl.lit(number).alias("file"), key=pl.col(key))
            for number, path in enumerate(paths)
        ]
    )
    again = rows.filter(pl.col("key").is_duplicated()).filter(pl.col("file") > pl.col("file").min().over("key"))
    return {paths[number].name: keys for number, keys in again.group_by("file").agg("key").sort("file").iter_rows()}


def is_export_of_all(
    rows: pl.DataFrame, earlier: pl.DataFrame, keys: Sequence[str], key: str, limits: Validate
) -> bool:
    """Whether normalized rows are the earlier ones as they were, and new ones: an export of all rows so far.

    Where the keys of earlier rows come with other values, as row numbers that begin anew do, they do not say which rows
    are new.
    """
    repeated = rows.filter(pl.col(key).is_in(keys))
    as_before = repeated.hash_rows().is_in(earlier.select(rows.columns).hash_rows().implode())
    return len(repeated) < len(rows) and (~as_before).sum() <= limits.max_bad_fraction * len(rows)


def repeated_reason(key: str) -> str:
    return f"{key}: was in an earlier batch"


def split_repeated(
    clean: pl.DataFrame, raw: pl.DataFrame, keys: list[str], key: str, limits: Validate
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The clean rows that are new, and the raw rows that an earlier batch delivered, with a column `reason`."""
    if len(keys) > limits.max_bad_fraction * len(clean):
        reason = f"{len(keys)} of {len(clean)} rows were in an earlier batch, over {limits.max_bad_fraction:.0%}"
        return clean.clear(), _with_reason(raw, pl.lit(reason))
    repeated = raw.filter(labels(raw[key]).is_in(keys))
    return clean.filter(~pl.col(key).is_in(keys)), _with_reason(repeated, pl.lit(repeated_reason(key)))


def add_reasons(reasons: Reasons, cases: pl.DataFrame) -> None:
    """Add what Pandera found of rows, but for cells that have a reason already: it saw what stands in for those."""
    told = {row: tuple(of_row) for row, of_row in reasons.items()}
    for case in cases.iter_rows(named=True):
        row, column = case["index"], case["column"]
        if not any(reason.startswith(f"{column}: ") for reason in told.get(row, ())):
            reasons.setdefault(row, []).append(described(case))


def described(case: dict[str, object]) -> str:
    """One fault that Pandera found, in words."""
    match case["check"]:
        case "column_in_schema":
            return f"there is no column {case['failure_case']!r} in the schema"
        case "column_in_dataframe":
            return f"the column {case['failure_case']!r} is missing"
        case "not_nullable":
            return f"{case['column']}: is missing"
        case "field_uniqueness":
            return f"{case['column']}: comes more than once (found {case['failure_case']!r})"
        case check:
            return f"{case['column']}: {check} (found {_found(str(check), case['failure_case'])})"


def _found(check: str, value: object) -> str:
    """A value that does not fit, in a line; of a picture, which Pandera writes as JSON, the range of its pixels."""
    text = repr(value)
    if check.startswith("pixels"):
        with suppress(ValueError):
            pixels = [pixel for pixel in json.loads(str(value)) if pixel is not None]
            text = f"{readable(min(pixels))} to {readable(max(pixels))}"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
