"""Write the rows of each split, and count those that a model will have seen in training."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import polars as pl

from portfolio.contract.config import Config
from portfolio.contract.use_case import BATCH, UseCase
from portfolio.core import files
from portfolio.core.counted import counted
from portfolio.core.errors import DataError
from portfolio.core.labels import listed
from portfolio.core.paths import Paths
from portfolio.data.batches import FAIR
from portfolio.data.duplicates import count_duplicates
from portfolio.data.leaks import find_leaks
from portfolio.data.parquet import write_parquet
from portfolio.data.split import SPLITS, split_numbers, stand_alone

NO_SPLIT = -1


def run(use_case: UseCase, config: Config) -> None:
    paths = Paths(use_case.name)
    rows = pl.concat(
        [pl.read_parquet(path).with_columns(pl.lit(path.stem).alias(BATCH)) for path in sorted(paths.clean.iterdir())],
        how="diagonal",
    )
    only_learned = pl.Series([False] * len(rows))
    if FAIR in rows.columns:
        only_learned = ~rows[FAIR].fill_null(True)
        rows = rows.drop(FAIR)
    if use_case.graph_features.names:
        use_case.graph_features.check_rows(rows, use_case.features(rows))
    splits = split_numbers(use_case.source, rows, config.prepare)
    # People are asked about the answers that the model is unsure of: these are no fair sample to judge a model by. Nor
    # is anything learned from them that stands beside a row by which models are judged.
    train = SPLITS.index("train")
    left_out = only_learned.to_numpy() & (splits != train) & ~stand_alone(use_case.source, rows)
    splits = np.where(left_out, NO_SPLIT, np.where(only_learned, train, splits))
    parts = {name: rows.filter(pl.Series(splits == number)) for number, name in reversed(list(enumerate(SPLITS)))}
    with files.replaced_folder(paths.splits) as folder:
        for name, part in parts.items():
            if part.is_empty():
                raise DataError(
                    f"The {name} split of '{use_case.name}' is empty: {counted(len(rows), 'row')} can't fill it. "
                    "Collect more."
                )
            write_parquet(folder / f"{name}.parquet", part)
        if use_case.output.task == "classification":
            _check_classes(use_case, parts["train"])
        _check_leaks(use_case, parts["train"])
        digests = "".join(files.sha256(folder / f"{name}.parquet") for name in SPLITS)
        (folder / "sha256").write_text(hashlib.sha256(digests.encode()).hexdigest())
    counts = {name: len(part) for name, part in parts.items()}
    duplicates = {name: count_duplicates(use_case, parts[name], parts["train"]) for name in ("val", "test")}
    metrics = {"rows": counts, "duplicates": duplicates}
    files.write_text(paths.metrics("prepare"), json.dumps(metrics, indent=1) + "\n")
    print(
        f"rows: {', '.join(f'{name} {count:,}' for name, count in counts.items())}; exactly the inputs of a training "
        f"row: {', '.join(_told(name, found, counts[name]) for name, found in duplicates.items())}"
    )
    if left_out.any():
        print(
            f"left out: {counted(int(left_out.sum()), 'row')} of labels that came back, each beside a row of val or "
            "test (split_by)"
        )


def _told(name: str, found: dict[str, int], rows: int) -> str:
    other = f" ({found['other_target']:,} with another target)" if found["rows"] else ""
    return f"{name} {found['rows']:,} of {rows:,}{other}"


def _check_leaks(use_case: UseCase, train: pl.DataFrame) -> None:
    """Raise DataError for inputs that give the target away: a model of those would look far better than it is."""
    # A date as the number of its days.
    columns = {
        field.name: train[field.name].to_physical()
        for field in use_case.inputs
        if field.kind in ("number", "category", "date")
    }
    quantity = use_case.output.task == "regression"
    found = find_leaks(columns, train[use_case.target.column], quantity=quantity)
    untrusted = [leak for leak in found if not set(leak.columns) <= set(use_case.trusted)]
    if untrusted:
        leak = untrusted[0]
        raise DataError(
            f"{leak}, '{use_case.target.column}', in the training rows, each told by all others. Is it known when a "
            f"prediction is needed? If not, move it from `inputs` to `ignore` in {use_case.folder}/use_case.py; if it "
            f"is, add it there: trusted = {list(leak.columns)}"
        )


def _check_classes(use_case: UseCase, train: pl.DataFrame) -> None:
    """Raise DataError if there is one class only, from which nothing can be learnt. Warn about classes without rows."""
    there = set(train[use_case.target.column])
    names = zip(use_case.output.labels, use_case.output.classes, strict=True)
    missing = [name for label, name in names if label not in there]
    if len(there) < 2:
        raise DataError(
            f"All {len(train):,} training rows of '{use_case.name}' are of one class; there is no row of class "
            f"{listed(missing)}. Collect more, or correct the labels of the target in {use_case.folder}/use_case.py."
        )
    if missing:
        print(f"warning: there is no training row of class {listed(missing)}, so no model will ever answer with it")
