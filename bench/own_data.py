"""A file such as people have, of any size, and what a command takes over it.

Ten columns: a key, numbers, categories, a code with leading zeros, a note with gaps, and a class to be predicted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

CHUNK_ROWS = 500_000
TARGET = "bought"
OWN = "own"


def write_rows(path: Path, rows: int) -> None:
    """Write a CSV file of so many rows, a chunk at a time."""
    random = np.random.default_rng(0)
    with path.open("wb") as stream:
        for start in range(0, rows, CHUNK_ROWS):
            chunk = _rows(random, start, min(CHUNK_ROWS, rows - start))
            chunk.write_csv(stream, include_header=start == 0)


def _rows(random: np.random.Generator, start: int, rows: int) -> pl.DataFrame:
    age, income = random.integers(18, 80, rows), np.exp(random.normal(8, 0.6, rows)).round(2)
    chance = 1 / (1 + np.exp(3 - age / 40 - income / 5000))
    return pl.DataFrame(
        {
            "id": np.arange(start, start + rows),
            "age": age,
            "income": income,
            "score": random.normal(size=rows).round(6),
            "town": random.choice(["Osaka", "Kyoto", "Nara", "Kobe"], rows),
            "plan": random.choice(["basic", "plus", "family"], rows),
            "prefecture": pl.Series(random.integers(1, 48, rows)).cast(pl.String).str.zfill(2),
            "visits": random.poisson(3, rows),
            "note": pl.Series(random.choice(["called", "wrote", ""], rows)).replace("", None),
            TARGET: np.where(random.random(rows) < chance, "yes", "no"),
        }
    )


@dataclass(frozen=True)
class Run:
    """`cpu_seconds` are of all cores together: they hardly depend on what else the machine does."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def measured(command: list[str], folder: Path, environment: Mapping[str, str]) -> Run:
    """What a command takes. Ends everything if it fails."""
    with (folder / "output.txt").open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{(folder / 'output.txt').read_text()[-3000:]}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
