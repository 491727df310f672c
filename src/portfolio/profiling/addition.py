"""A file that is added to the folder of a use case, once its rows are known to fit."""

from __future__ import annotations

from datetime import date, datetime
from itertools import chain
from pathlib import Path

import polars as pl

from portfolio.contract.folder import Folder
from portfolio.contract.loading import load_use_case
from portfolio.contract.picture_files import Pictures
from portfolio.contract.sources import is_to_come
from portfolio.contract.use_case import UseCase
from portfolio.core.counted import counted
from portfolio.core.errors import ConfigError, SourceError
from portfolio.core.paths import Paths
from portfolio.data.batches import of_source, read_batch
from portfolio.data.collect import named_rows
from portfolio.data.normalize import labels, normalize
from portfolio.data.validate import check_rows, is_export_of_all
from portfolio.profiling import origins


def add_file(use_case: str, path: Path, day: datetime | None) -> Path:
    """Put a file into the folder of a use case, once its rows are known to fit; return where it is."""
    case = load_use_case(use_case)
    source = case.source
    if isinstance(source, Pictures):
        raise ConfigError(
            f"'{use_case}' is of pictures. Copy the new ones into a folder of their day, with one folder for each "
            f"class, such as {source.folder}/{date.today()}/{case.output.labels[0]}/, then: "
            f"portfolio collect {use_case}"
        )
    if not isinstance(source, Folder):
        raise ConfigError(
            f"The rows of '{use_case}' come from {type(source).__name__}, and files are added to a Folder. Its "
            f"new rows are collected by: portfolio collect {use_case}"
        )
    if path.is_dir():
        if path.resolve() == source.path.resolve():
            raise SourceError(f"{path} is a folder. Its files are collected by: portfolio collect {use_case}")
        raise SourceError(
            f"{path} is a folder. Name one of its files; for all of them, copy them into {source.path}, then: "
            f"portfolio collect {use_case}"
        )
    if not path.is_file():
        raise SourceError(f"{path} is not there. Check its path.")
    if path.stat().st_size == 0:
        raise SourceError(f"{path} is empty. Nothing was copied.")
    rows = named_rows(source, date.today(), source.table(path))
    if faults := normalize(case, rows).faults:
        lacks_target = case.target.column not in rows.columns
        remedy = f" What is still to be predicted goes to a server: portfolio predict {path}" if lacks_target else ""
        raise SourceError(f"{path} does not fit '{use_case}': {'; '.join(faults)}. Nothing was copied.{remedy}")
    good, bad = check_rows(rows, case.schema(), case, case.config().validate_)
    if good.is_empty():
        why = bad["reason"][0] if len(bad) else "it has no rows"
        raise SourceError(f"{path} does not fit '{use_case}': {why}. Nothing was copied.")
    if day is None and source.date and is_to_come(last := source.day(path)):
        raise SourceError(
            f"{path} would be of {last}, which is still to come. Correct its dates in '{source.date}', or give the day "
            f"on which its rows ended: --date {date.today()}. Nothing was copied."
        )
    target = origins.place_for(use_case, source, path, day.date() if day else None)
    if source.has_key:
        _check_repeated(case, source, good, path)
    origins.copy_file(path, target)
    return target


def _check_repeated(case: UseCase, source: Folder, good: pl.DataFrame, path: Path) -> None:
    """Raise ConfigError if so many of the rows are there already that a run would put the whole file aside."""
    there, limits = _with_keys_of(case, source, good), case.config().validate_
    if len(there) <= limits.max_bad_fraction * len(good):
        return
    keys = there[case.key].to_list()
    if is_export_of_all(good, there, keys, case.key, limits):
        return
    if len(keys) == len(good) and good.sort(case.key).equals(there.sort(case.key)):
        raise ConfigError(f"{path}: all its rows are there already. Nothing was copied.")
    raise ConfigError(
        f"{path}: {len(keys):,} of {counted(len(good), 'row')} share their '{case.key}' with a row that is there "
        "already, and a run would put the whole file aside. If the numbers begin anew in each file, they name no row: "
        f"in {case.folder / 'use_case.py'}, delete key= and add '{case.key}' to ignore, then: portfolio recollect "
        f"{case.name}. If the file corrects another one, put it in its place, and run the same. Nothing was copied."
    )


def _with_keys_of(case: UseCase, source: Folder, rows: pl.DataFrame) -> pl.DataFrame:
    """The normalized rows, collected or waiting in the folder, whose keys are among those of `rows`; one for each."""
    collected = of_source(Paths(case.name).batches)
    batches = (read_batch(path, case.name) for path in collected.values())
    files = (source.table(path) for day, path in source.files().items() if day not in collected)
    found = [rows.clear()]
    for table in chain(batches, files):
        if case.key in table.columns:
            normalized = normalize(case, table.filter(labels(table[case.key]).is_in(rows[case.key].implode())))
            found += [] if normalized.faults else [normalized.frame.select(rows.columns)]
    return pl.concat(found).unique(case.key, keep="first", maintain_order=True)
