"""How the newest rows fit what the use case declares, as far as that can be told before a run."""

from __future__ import annotations

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


def unlike_declared(case: UseCase) -> tuple[list[str], list[str]]:
    """How the newest rows that there are differ from what is declared: what stops a run, and what it puts aside."""
    where = case.folder / "use_case.py"
    if isinstance(case.source, Pictures) and case.target.column == LABEL:
        faults = case.source.faults(case.output.labels)
        if faults:
            return faults, []
    try:
        newest = _newest_rows(case)
    except SourceError as error:
        return [str(error)], []
    if newest is None:
        return [], []
    path, rows = newest
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


def _newest_rows(case: UseCase) -> tuple[Path, pl.DataFrame] | None:
    """The newest rows, and their file: of what waits to be collected, or else of what was. Raises SourceError."""
    collected, source = of_source(Paths(case.name).batches), case.source
    if isinstance(source, Folder):
        files = source.files()
        new = sorted(files.keys() - collected)
        if new:
            path = files[new[-1]]
            return path, named_rows(source, new[-1], _first_rows(source, path)).head(FEW)
        if not collected and not source.path.is_dir():
            raise SourceError(f"{source.path} does not exist. Correct the folder's name in the use case, or make it.")
        if not collected:
            raise SourceError(f"{source.path} has no file with rows yet. Put the first one there.")
    if not collected:
        return None
    _, path = collected.popitem()
    return path, read_batch(path, case.name, n_rows=FEW)


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
