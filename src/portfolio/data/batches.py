"""The files of collected batches: those of the source by date, and those of labels that came back to a server."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from portfolio.core.errors import DataError
from portfolio.core.labels import listed

if TYPE_CHECKING:
    import polars as pl

FEEDBACK = "-feedback-"
REFUSED = "refused as feedback"
"""A column of feedback batches: why a row may not be learned from, or null. Validation quarantines such rows."""
FAIR = "fair sample of feedback"
"""And whether it is one of a fair sample of all answers. Others may be learned from, but no model is judged by them."""
OF_FEEDBACK = (REFUSED, FAIR)


def is_feedback(path: Path) -> bool:
    return FEEDBACK in path.stem


def of_source(folder: Path) -> dict[date, Path]:
    """The batches that the source delivered, by day, in order."""
    return {date.fromisoformat(path.stem): path for path in sorted(folder.glob("*.parquet")) if not is_feedback(path)}


def of_feedback(folder: Path) -> list[Path]:
    """The batches of labels that came back, in order."""
    return sorted(path for path in folder.glob("*.parquet") if is_feedback(path))


def next_feedback(folder: Path, day: date | None = None) -> Path:
    """Where the next of them goes: `2026-01-31-feedback-001.parquet`. No batch of a source has such a name."""
    day = day or datetime.now(UTC).date()
    # Not their count: one before the last may have been deleted, so that its labels are taken again.
    numbers = [int(path.stem.rpartition("-")[2]) for path in of_feedback(folder) if path.stem.startswith(str(day))]
    return folder / f"{day}{FEEDBACK}{max(numbers, default=0) + 1:03d}.parquet"


def read_batch(
    path: Path, use_case: str, columns: list[str] | None = None, *, n_rows: int | None = None
) -> pl.DataFrame:
    """The rows of a batch; only some columns if they are named, and only so many rows if `n_rows` says how many.

    Raises DataError if it can't be read as Parquet, or lacks one of the columns.
    """
    import polars as pl

    try:
        return pl.read_parquet(path, columns=columns, n_rows=n_rows)
    except pl.exceptions.ColumnNotFoundError as error:
        lacking = sorted(set(columns or ()) - set(pl.read_parquet_schema(path)))
        remedy = f"Collect it again: portfolio recollect {use_case} --date {path.stem}"
        if is_feedback(path):
            remedy = f"Delete it, and its labels are taken again: rm {path}"
        raise DataError(
            f"{path} lacks the column {listed(lacking)}, so the use case has been changed since. {remedy}"
        ) from error
    except (pl.exceptions.PolarsError, OSError) as error:
        remedy = f"Collect it again: portfolio recollect {use_case} --date {path.stem}"
        if is_feedback(path):
            remedy = f"Bring it back: dvc checkout {path.parent}.dvc; or delete it, and its labels are taken again"
        raise DataError(
            f"{path} can't be read ({str(error).splitlines()[0]}). It is cut off or no Parquet file. {remedy}"
        ) from error
