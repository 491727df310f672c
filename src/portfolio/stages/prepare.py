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
            write_parquet(folder / f"{name}.parquet", part)
            counts.append(f"{name} {len(part):,}")
        digests = "".join(files.sha256(folder / f"{name}.parquet") for name in SPLITS)
        (folder / "sha256").write_text(hashlib.sha256(digests.encode()).hexdigest())
    print(f"rows: {', '.join(reversed(counts))}")
