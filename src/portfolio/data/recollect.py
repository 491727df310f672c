"""Replacing batches by what their source holds now. Collecting never does that: it only adds what is new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl

from portfolio.contract.sources import Source
from portfolio.core import files
from portfolio.core.errors import DataError
from portfolio.data.batches import of_source
from portfolio.data.collect import collect_lock, named_rows
from portfolio.data.parquet import write_parquet


@dataclass(frozen=True)
class Difference:
    """What is different about one batch. `after` is None if the source has no such batch any more.

    `rows_before` is None if the file on disk can't be read. `changed` has the number of changed rows by column; None if
    rows can't be told apart, since their keys are missing or not unique.
    """

    day: date
    rows_before: int | None
    after: pl.DataFrame | None
    added: int = 0
    removed: int = 0
    changed_rows: int = 0
    changed: dict[str, int] | None = field(default_factory=dict)


def differences(source: Source, folder: Path, days: Sequence[date] = ()) -> list[Difference]:
    """Each batch of the source that is not as the source has it now; of all days, or of those.

    Raises DataError for a day that was not collected.
    """
    collected = of_source(folder)
    strange = [str(day) for day in days if day not in collected]
    if strange or not collected:
        raise DataError(
            f"{folder} has no batch of {', '.join(strange) or 'any day'}: there is nothing to replace. What is new is "
            f"collected by: portfolio collect {source.use_case}"
        )
    wanted = [day for day in collected if not days or day in days]
    there = set(source.dates())
    found = source.read([day for day in wanted if day in there])
    all_of_them = [_difference(source, day, collected[day], found.get(day)) for day in wanted]
    return [difference for difference in all_of_them if difference is not None]


def replace(folder: Path, found: Sequence[Difference]) -> None:
    """Bring the batches to what their source has. Each is replaced in one step, or stays as it was."""
    with collect_lock(folder):
        for difference in found:
            target = folder / f"{difference.day}.parquet"
            if difference.after is None:
                target.unlink(missing_ok=True)
                continue
            with files.replaced(target) as partial:
                write_parquet(partial, difference.after)


def _difference(source: Source, day: date, path: Path, rows: pl.DataFrame | None) -> Difference | None:
    after = None if rows is None else named_rows(source, day, rows)
    try:
        before = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError):
        return Difference(day, None, after)
    if after is None:
        return Difference(day, len(before), None, removed=len(before))
    if before.equals(after):
        return None
    keys = [frame[source.key] if source.key in frame.columns else None for frame in (before, after)]
    if any(key is None or key.null_count() or not key.is_unique().all() for key in keys):
        return Difference(day, len(before), after, changed=None)
    return _compared(day, source.key, before, after)


def _compared(day: date, key: str, before: pl.DataFrame, after: pl.DataFrame) -> Difference | None:
    """Row by row, as their keys say; None if there are the same rows in another order."""
    old = {str(row[key]): row for row in before.fill_nan(None).iter_rows(named=True)}
    new = {str(row[key]): row for row in after.fill_nan(None).iter_rows(named=True)}
    changed: dict[str, int] = {}
    changed_rows = 0
    for name in old.keys() & new.keys():
        columns = [
            column
            for column in {**old[name], **new[name]}
            if column not in old[name] or column not in new[name] or old[name][column] != new[name][column]
        ]
        changed_rows += bool(columns)
        for column in columns:
            changed[column] = changed.get(column, 0) + 1
    added, removed = len(new.keys() - old.keys()), len(old.keys() - new.keys())
    if not (added or removed or changed_rows):
        return None
    return Difference(day, len(before), after, added, removed, changed_rows, dict(sorted(changed.items())))
