"""Check every collected batch. Bad rows go to quarantine with the reason; a batch with too many goes whole."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.errors import DataError
from portfolio.core.paths import Paths
from portfolio.data.parquet import write_parquet
from portfolio.data.validate import check_batch, repeated_keys, split_repeated


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
            raw = pl.read_parquet(paths.batches / name)
            good, bad = split_repeated(pl.read_parquet(clean / name), raw, keys, use_case.key, limits)
            if (quarantine / name).exists() and not good.is_empty():
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
                "Correct the source or the use case; the raw batches are as they were."
            )
    files.write_text(paths.metrics("validate"), json.dumps(counts, indent=1) + "\n")
    print(
        f"{counts['rows']:,} good rows in {counts['batches']} batches; quarantined: {counts['bad_rows']:,} rows, "
        f"{counts['quarantined_batches']} whole batches"
    )


def _write(rows: pl.DataFrame, path: Path) -> None:
    """Write the rows, or see to it that there is no file where there are none."""
    path.unlink(missing_ok=True)
    if not rows.is_empty():
        write_parquet(path, rows)


def _rows(folder: Path) -> int:
    return sum(pl.scan_parquet(path).select(pl.len()).collect().item() for path in folder.iterdir())
