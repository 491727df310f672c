"""Write the rows of each split."""

from __future__ import annotations

import hashlib

import polars as pl

from portfolio.contract.config import Config
from portfolio.contract.use_case import BATCH, UseCase
from portfolio.core import files
from portfolio.core.errors import DataError
from portfolio.core.paths import Paths
from portfolio.data.parquet import write_parquet
from portfolio.data.split import SPLITS, split_numbers


def run(use_case: UseCase, config: Config) -> None:
    paths = Paths(use_case.name)
    rows = pl.concat(
        [pl.read_parquet(path).with_columns(pl.lit(path.stem).alias(BATCH)) for path in sorted(paths.clean.iterdir())]
    )
    splits = split_numbers(use_case.source, rows, config.prepare)
    counts: list[str] = []
    with files.replaced_folder(paths.splits) as folder:
        for number, name in enumerate(SPLITS):
            part = rows.filter(pl.Series(splits == number))
            if part.is_empty():
                raise DataError(
                    f"The {name} split of '{use_case.name}' is empty: {len(rows)} rows are too few. Collect more."
                )
            if name == "train" and use_case.output.task == "classification":
                _check_classes(use_case, part)
            write_parquet(folder / f"{name}.parquet", part)
            counts.append(f"{name} {len(part):,}")
        digests = "".join(files.sha256(folder / f"{name}.parquet") for name in SPLITS)
        (folder / "sha256").write_text(hashlib.sha256(digests.encode()).hexdigest())
    print(f"rows: {', '.join(reversed(counts))}")


def _check_classes(use_case: UseCase, train: pl.DataFrame) -> None:
    """Raise DataError if there is one class only, which nothing can be learnt from. Tell which there are no rows of."""
    there = set(train[use_case.target.column])
    names = zip(use_case.output.labels, use_case.output.classes, strict=True)
    missing = [name for label, name in names if label not in there]
    if len(there) < 2:
        raise DataError(
            f"All {len(train):,} training rows of '{use_case.name}' are of one class; there is no row of class "
            f"{', '.join(missing)}. Collect more, or correct the labels of the target in {use_case.folder}/use_case.py."
        )
    if missing:
        print(f"warning: there is no training row of class {', '.join(missing)}, so that no model will ever answer it")
