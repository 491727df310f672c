"""What our tests and evidently's say of made-up windows, without a change and with one field that moved."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np

from bench.peer import PEERS, environment
from bench.rows import Row
from portfolio.bundle.manifest import Reference
from portfolio.bundle.reference import of_categories, of_numbers
from portfolio.core.types import Array
from portfolio.monitoring.drift import drifts
from portfolio.monitoring.tally import Tally

REFERENCE_ROWS = 1_000
NUMBERS, CATEGORIES = 8, 4
LETTERS = ("a", "b", "c", "d")
WINDOWS = 200
# A report of evidently takes a second, so it is given the first of them only.
THEIR_WINDOWS = 20
MOVED = "number 0"
# By name: how many rows, by how many standard deviations the one field moved, and how many of the windows are told.
KINDS = {
    "windows of 100 rows without change": (100, 0.0),
    "windows of 500 rows without change": (500, 0.0),
    "windows of 500 rows, one field moved by one standard deviation": (500, 1.0),
}

Columns = dict[str, Array]


def rows(random: np.random.Generator, count: int, shift: float) -> Columns:
    numbers = {f"number {place}": random.normal(size=count) for place in range(NUMBERS)}
    numbers[MOVED] += shift
    letters = np.array(LETTERS, dtype=object)
    return numbers | {
        f"category {place}": random.choice(letters, count, p=[0.6, 0.3, 0.07, 0.03]) for place in range(CATEGORIES)
    }


def found_windows(folder: Path) -> list[Row]:
    """What our tests say of each kind of windows. The windows are kept in the folder, for others."""
    random = np.random.default_rng(2)
    reference = rows(random, REFERENCE_ROWS, 0.0)
    references: dict[str, Reference] = {
        name: of_numbers(column) if column.dtype != object else of_categories(column, LETTERS)
        for name, column in reference.items()
    }
    _write(folder / "reference.npz", reference)
    told = []
    for number, (name, (count, shift)) in enumerate(KINDS.items()):
        alarms = 0
        for window in range(WINDOWS):
            columns = rows(random, count, shift)
            if window < THEIR_WINDOWS:
                _write(folder / f"{number}-{window}.npz", columns)
            tallies = {}
            for field, column in columns.items():
                tallies[field, ""] = Tally(references[field])
                tallies[field, ""].add(column)
            drifted = [one["field"] for one in drifts(tallies) if one["drifted"]]
            alarms += MOVED in drifted if shift else bool(drifted)
        told.append(_row(f"{name}: told", alarms / WINDOWS, shift))
    return told


def theirs(folder: Path) -> list[Row]:
    """What evidently says of the same windows with its defaults: of its columns, and of the data set as a whole."""
    binaries = environment("evidently.txt")
    command = [str(binaries / "python"), str(PEERS / "evidently_windows.py"), str(folder), MOVED]
    variables = {**os.environ, "DO_NOT_TRACK": "1"}
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env=variables).stdout
    found = json.loads(printed.strip().splitlines()[-1])
    told = []
    for number, (name, (_, shift)) in enumerate(KINDS.items()):
        of = {key: alarms / THEIR_WINDOWS for key, alarms in found[str(number)].items()}
        told.append(_row(f"  evidently's defaults, {name}: {'that' if shift else 'any'} column", of["columns"], None))
        told.append(_row(f"  evidently's defaults, {name}: the data set", of["data_set"], None))
    return told


def _row(name: str, alarms: float, shift: float | None) -> Row:
    share = 100 * alarms
    if shift is None:
        return Row(name, share, "%")
    return Row(name, share, "%", at_least=95) if shift else Row(name, share, "%", at_most=5)


def _write(path: Path, columns: Columns) -> None:
    texts = {name: column.astype(str) if column.dtype == object else column for name, column in columns.items()}
    np.savez(path, **texts)  # type: ignore[arg-type]
