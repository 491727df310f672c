"""Collecting: every batch of a source that is not there yet becomes one Parquet file."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from portfolio.contract.folder import Folder
from portfolio.contract.sources import Source
from portfolio.core import files
from portfolio.core.counted import counted
from portfolio.core.errors import DataError, SourceError
from portfolio.core.labels import listed
from portfolio.data.batches import of_source, read_batch
from portfolio.data.parquet import write_parquet

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Collected:
    """What one call of `collect` did."""

    added: list[str]
    present: int
    rows: int
    notes: list[str] = field(default_factory=list)
    """What the source left out, and what came too late for its batch: a line each."""

    def __str__(self) -> str:
        done = f"{counted(len(self.added), 'new batch', 'new batches')} ({counted(self.rows, 'row')})"
        return "\n  ".join([f"{done}, {self.present} already there", *self.notes])


def collect(source: Source, folder: Path, until: date | None = None) -> Collected:
    """Write every batch up to the day `until` that is not there yet as `<folder>/<date>.parquet`.

    Each batch is written beside and renamed, so a killed collect leaves whole batches only, and the next one
    completes it. Two collects at once take turns.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with collect_lock(folder):
        for leftover in folder.glob(".*.partial"):
            leftover.unlink()
        there = source.dates()
        if not there and not of_source(folder):
            why = source.late({})
            hint = " Of a folder, put the first file into it." if not why or isinstance(source, Folder) else ""
            raise SourceError("\n  ".join([f"The source has no batch yet.{hint}", *why]))
        days = [day for day in there if until is None or day <= until]
        if there and not days:
            raise SourceError(
                f"The source has no batch up to {until}; its first is of {there[0]}. Set collect.until in the "
                "config to a later day."
            )
        there_already = {day: folder / f"{day}.parquet" for day in days if (folder / f"{day}.parquet").exists()}
        missing = [day for day in days if day not in there_already]
        added, rows = [], 0
        for day, frame in source.batches(missing) if missing else ():
            target = folder / f"{day}.parquet"
            _writable(target)
            with files.replaced(target) as partial:
                write_parquet(partial, named_rows(source, day, frame))
            added.append(str(day))
            rows += len(frame)
        notes = [*(source.notes() if missing else []), *source.late(there_already)]
        if source.has_key and added:
            notes += _repeated(source, folder, added)
        return Collected(added, len(there_already), rows, notes)


def _repeated(source: Source, folder: Path, added: list[str]) -> list[str]:
    """A line about new rows whose keys other batches have too, as where somebody put a file there twice."""
    import polars as pl

    from portfolio.data.normalize import labels

    found = [pl.DataFrame(schema={"key": pl.String, "day": pl.String})]
    for day, path in of_source(folder).items():
        # What is wrong with a batch is told when it is validated.
        with suppress(DataError):
            keys = labels(read_batch(path, source.use_case, [source.key])[source.key])
            if keys.dtype == pl.String:
                found.append(pl.select(key=keys, day=pl.lit(str(day))))
    rows = pl.concat(found).drop_nulls()
    new = pl.col("day").is_in(added)
    again = rows.filter(new & (pl.col("day").n_unique().over("key") > 1))
    if again.is_empty():
        return []
    of_new = counted(rows.select(new.sum()).item(), "new row")
    return [
        f"{len(again):,} of {of_new} share their '{source.key}' with a row of another batch, and only the first of "
        f"such rows is learned from: {listed(sorted(again['day'].unique()))}"
    ]


def collect_lock(folder: Path) -> AbstractContextManager[None]:
    """Held by whoever writes batches into the folder."""
    return files.alone(folder.parent / ".collect.lock")


def named_rows(source: Source, day: date, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of a batch, with the key that names each by its place if they have none of their own."""
    return rows if source.has_key else rows.with_columns(_places(day, len(rows)).alias(source.key))


def _places(day: date, rows: int) -> pl.Series:
    import polars as pl

    return pl.select(pl.format("{}-{}", pl.lit(str(day)), pl.int_range(rows).cast(pl.String).str.zfill(6))).to_series()


def _writable(path: Path) -> None:
    """One place to raise a clear error for a folder that can't be written."""
    if not os.access(path.parent, os.W_OK):
        raise SourceError(f"{path.parent} can't be written. Check its permissions.")
