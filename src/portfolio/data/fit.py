"""How the newest rows fit what the use case declares, as far as that can be told before a run."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from portfolio.contract.folder import Folder
from portfolio.contract.picture_files import LABEL, Pictures
from portfolio.contract.use_case import UseCase
from portfolio.core.counted import counted
from portfolio.core.errors import SourceError
from portfolio.core.paths import Paths
from portfolio.data.batches import of_source, read_batch
from portfolio.data.collect import named_rows
from portfolio.data.normalize import normalize
from portfolio.data.validate import check_rows

LARGE_BYTES, BEGINNING_BYTES = 16 * 1024 * 1024, 1024 * 1024
FEW = 2000
"""Enough rows to show which columns there are, of which kinds, and whether their values are as declared."""
TOLD_FILES = 5
"""What is wrong with so many files is likely to be wrong with all that wait."""


def unlike_declared(case: UseCase) -> tuple[list[str], list[str]]:
    """How the newest rows that there are differ from what is declared: what stops a run, and what it puts aside."""
    if isinstance(case.source, Pictures) and case.target.column == LABEL:
        faults = case.source.faults(case.output.labels)
        if faults:
            return faults, []
    try:
        left = _files_at_hand(case)
    except SourceError as error:
        return [str(error)], []
    wrong, unsure, told = list[str](), list[str](), 0
    while left and told < TOLD_FILES:
        day, path = left.pop(0)
        try:
            faults, doubts = _unlike_declared(case, path, _few_rows(case, day, path))
        except SourceError as error:
            faults, doubts = [str(error)], []
        wrong += faults
        # Those of the newest will do: the others may have as many.
        unsure = unsure or doubts
        told += bool(faults)
    if left:
        wrong.append(f"{counted(len(left), 'more file')} that wait there were not looked at. Correct these first.")
    return wrong, unsure


def _unlike_declared(case: UseCase, path: Path, rows: pl.DataFrame) -> tuple[list[str], list[str]]:
    """The same of the rows of one file."""
    where = case.folder / "use_case.py"
    if faults := normalize(case, rows).faults:
        return [f"{where} and the rows in {path} do not fit: {fault}." for fault in faults], []
    limits = case.config().validate_
    _, bad = check_rows(rows, case.schema(), case, limits.model_copy(update={"max_bad_fraction": 1.0}))
    if bad.is_empty():
        return [], []
    (reason, _), *_ = bad["reason"].value_counts(sort=True).rows()
    told = f"{len(bad):,} of {counted(len(rows), 'row')} in {path} do not fit {where}, most often: {reason}."
    if len(bad) > limits.max_bad_fraction * len(rows):
        return [f"{told} Over {limits.max_bad_fraction:.0%}, a run puts the whole batch aside."], []
    return [], [f"{told} A run puts them aside (data/{case.name}/quarantine)."]


def _files_at_hand(case: UseCase) -> list[tuple[date, Path]]:
    """The files that wait to be collected, the newest first, or else the newest batch. Raises SourceError."""
    collected, source = of_source(Paths(case.name).batches), case.source
    if isinstance(source, Folder):
        files = source.files()
        if new := sorted(files.keys() - collected, reverse=True):
            return [(day, files[day]) for day in new]
        if not collected and not source.path.is_dir():
            raise SourceError(f"{source.path} does not exist. Correct the folder's name in the use case, or make it.")
        if not collected:
            raise SourceError(f"{source.path} has no file with rows yet. Put the first one there.")
    return [collected.popitem()] if collected else []


def _few_rows(case: UseCase, day: date, path: Path) -> pl.DataFrame:
    """Of a batch, or of a file that waits to become one. Raises SourceError."""
    if path.parent == Paths(case.name).batches:
        return read_batch(path, case.name, n_rows=FEW)
    assert isinstance(case.source, Folder), "files wait in a folder alone"
    return named_rows(case.source, day, _first_rows(case.source, path)).head(FEW)


def _first_rows(source: Folder, path: Path) -> pl.DataFrame:
    """The first rows of a large CSV file: reading all of them takes seconds."""
    if path.suffix.lower() not in (".csv", ".tsv") or path.stat().st_size <= LARGE_BYTES:
        return source.table(path)
    with path.open("rb") as stream, TemporaryDirectory() as folder:
        beginning = Path(folder) / path.name
        beginning.write_bytes(stream.read(BEGINNING_BYTES).rpartition(b"\n")[0])
        try:
            return source.table(beginning)
        except SourceError:
            # Cut off in the midst of a value of several lines; or else it is wrong as a whole.
            return source.table(path)
