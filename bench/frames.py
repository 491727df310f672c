"""What `validate` and `prepare` do to rows, in Polars and in pandas: read batches, check every value, drop repeated
keys, split, write.

Run it in an empty folder: `python -m bench.frames make`, and then `python -m bench.frames polars|pandas`.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROWS, FILES = 1_000_000, 20
NUMBERS = [f"number_{index}" for index in range(8)]
PLACES = ["inland", "island", "near the bay", "near the sea"]
KEY = r"^row-\d{7}$"
SPLITS = {"test": (0.0, 0.2), "val": (0.2, 0.35), "train": (0.35, 1.0)}
BATCHES, OUT = Path("batches"), Path("splits")


def make() -> None:
    """Batches in which one row in a hundred has a repeated key, a number out of bounds or an unknown place."""
    import polars as pl

    random = np.random.default_rng(0)
    BATCHES.mkdir()
    for number, keys in enumerate(np.array_split(np.arange(ROWS), FILES)):
        fault = random.integers(0, 300, len(keys))
        columns: dict[str, Any] = {name: random.random(len(keys)) for name in NUMBERS}
        columns[NUMBERS[0]] = np.where(fault == 0, 2.0, columns[NUMBERS[0]])
        columns["key"] = [f"row-{key:07d}" for key in np.where(fault == 1, keys // 2, keys)]
        columns["place"] = np.where(fault == 2, "at sea", np.array(PLACES)[random.integers(0, len(PLACES), len(keys))])
        columns["share"] = random.random(len(keys))
        pl.DataFrame(columns).write_parquet(BATCHES / f"{number:02d}.parquet")


def with_polars() -> list[int]:
    import polars as pl

    rows = pl.concat([pl.read_parquet(path) for path in sorted(BATCHES.iterdir())])
    good = rows.filter(
        *(pl.col(name).is_between(0, 1) for name in NUMBERS),
        pl.col("place").is_in(PLACES),
        pl.col("key").str.contains(KEY),
    ).unique("key", keep="first", maintain_order=True)
    counts = []
    for name, (low, high) in SPLITS.items():
        part = good.filter(pl.col("share").is_between(low, high, closed="left"))
        part.write_parquet(OUT / f"{name}.parquet")
        counts.append(len(part))
    return counts


def with_pandas() -> list[int]:
    import pandas

    rows = pandas.concat([pandas.read_parquet(path) for path in sorted(BATCHES.iterdir())], ignore_index=True)
    fits = rows["place"].isin(PLACES) & rows["key"].str.match(KEY)
    for name in NUMBERS:
        fits &= rows[name].between(0, 1)
    good = rows[fits].drop_duplicates("key", keep="first")
    counts = []
    for name, (low, high) in SPLITS.items():
        part = good[good["share"].between(low, high, inclusive="left")]
        part.to_parquet(OUT / f"{name}.parquet", index=False)
        counts.append(len(part))
    return counts


LIBRARIES: dict[str, Callable[[], list[int]]] = {"polars": with_polars, "pandas": with_pandas}


def main(what: str) -> None:
    if what == "make":
        make()
        return
    __import__(what)
    OUT.mkdir(exist_ok=True)
    started = time.perf_counter()
    counts = LIBRARIES[what]()
    seconds = time.perf_counter() - started
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "peak_mib": peak_kib / 1024, "rows": counts}))


if __name__ == "__main__":
    main(sys.argv[1])
