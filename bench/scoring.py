"""Batch scoring beside a bare loop over ONNX Runtime, on the same rows: `portfolio score` and what it is made of.

Run it where the loop has run: `python -m bench.scoring`. The bare loop has its arrays in memory, and neither reads nor
writes a file; it is timed with one thread and with ONNX Runtime's own choice of threads, and the faster one counts.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime as ort
import polars as pl

from bench.subject import champion, one_message
from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import MODEL_NAME, tensor_names
from portfolio.contract.loading import load_use_case
from portfolio.core.paths import default_use_case
from portfolio.core.types import Array
from portfolio.data.dataset import load_split
from portfolio.scoring.job import Job

ROWS = 60_000
ROUNDS = 3
AT_ONCE = 1_000
"""Rows in one run of the bare loop."""


def main() -> None:
    name = default_use_case()
    use_case, bundle = load_use_case(name), champion(name)
    test = load_split(use_case, "test")
    chosen = np.arange(ROWS) % len(test)
    inputs = {field.name: test.inputs[field.name][chosen] for field in bundle.manifest.inputs}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "rows.parquet"
        keys = pl.Series(use_case.key, [f"row-{number:07d}" for number in range(ROWS)])
        test.rows[chosen].with_columns(keys).write_parquet(source)
        timed: dict[str, list[float]] = {}
        for number in range(ROUNDS):
            target = Path(folder) / f"scored-{number}.parquet"
            turns: dict[str, Callable[[], object]] = {
                "bare_one_thread": lambda: _bare(bundle, inputs, threads=1),
                "bare_all_threads": lambda: _bare(bundle, inputs, threads=0),
                "score": Job(name, source, target).run,
            }
            for what, turn in turns.items():
                started = time.perf_counter()
                turn()
                timed.setdefault(what, []).append(time.perf_counter() - started)
    print(json.dumps({what: ROWS / median(seconds) for what, seconds in timed.items()}))


def _bare(bundle: Bundle, inputs: dict[str, Array], threads: int) -> None:
    """0 threads: as many as ONNX Runtime likes."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(str(bundle.folder / MODEL_NAME), options, providers=["CPUExecutionProvider"])
    names = dict(zip(tensor_names(len(inputs)), inputs.values(), strict=True))
    for start in range(0, ROWS, AT_ONCE):
        session.run(None, {tensor: array[start : start + AT_ONCE] for tensor, array in names.items()})


if __name__ == "__main__":
    with one_message():
        main()
