"""How large should a cell be? What cells of different sizes leave in common between training and test rows.

`python -m bench.cells USE_CASE` writes metrics/USE_CASE/cells.json. It needs the use case's clean rows: run
`portfolio stage validate USE_CASE` first. Larger cells keep neighbours together, but make the splits less even, and ask
for answers about places that are further from any training row.
"""

from __future__ import annotations

import json
import sys
from copy import copy
from typing import Any

import numpy as np
import polars as pl
from scipy.spatial import KDTree

from portfolio.contract.loading import load_use_case
from portfolio.contract.sources import Cell, Source
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.errors import ConfigError
from portfolio.core.hashing import uniform
from portfolio.core.paths import Paths
from portfolio.core.types import Array
from portfolio.data.dataset import as_split
from portfolio.data.split import identities, split_numbers
from portfolio.evaluation.metrics import score
from portfolio.training.baselines import fit_baseline

FACTORS = (0, 0.5, 1, 2.5, 5, 10)
"""Sizes as multiples of the declared one; at 0, rows at exactly the same place are together."""
NEAR = (0.1, 0.5)
"""Distances in cells as declared."""
SALTS = 50
FOLDS = 5


def resized(source: Source, factor: float | None) -> Source:
    """A source whose cells have another size; at None, each row is on its own."""
    other = copy(source)
    other.split_by = () if factor is None else tuple(_resized(by, factor) for by in source.split_by)
    return other


def _resized(by: str | Cell, factor: float) -> str | Cell:
    if isinstance(by, str):
        return by
    return Cell(by.column, by.size * factor) if factor else by.column


def measure(use_case: UseCase, rows: pl.DataFrame) -> dict[str, Any]:
    """For each size, None for rows on their own: how near training rows are, how uneven splits get, the error."""
    cells = [by for by in use_case.source.split_by if isinstance(by, Cell)]
    if not cells:
        raise ConfigError(f"The source of '{use_case.name}' has no Cell in split_by, so there is nothing to measure.")
    places = rows.select(pl.col(cell.column) / cell.size for cell in cells).to_numpy()
    model = list(use_case.candidates())[-1]
    prepare, found = use_case.config().prepare, []
    for factor in (None, *FACTORS):
        source = resized(use_case.source, factor)
        units = identities(source, rows)
        splits = split_numbers(source, rows, prepare)
        # Not exactly: 0.01 degrees come out as a little more in binary.
        distances, _ = KDTree(places[splits == 2]).query(places[splits == 0])
        near = [float(np.mean(distances <= distance * (1 + 1e-6))) for distance in NEAR]
        shares = [np.mean(uniform(units, f"salt {salt}") < prepare.test_fraction) for salt in range(SALTS)]
        found.append(
            {
                "sizes": None if factor is None else [cell.size * factor for cell in cells],
                "units": units.n_unique(),
                "near": near,
                "test_share_deviation": float(np.std(shares)),
                "metric": _cross_validated(use_case, rows, np.floor(uniform(units, "fold") * FOLDS), model),
            }
        )
        print(json.dumps(found[-1]))
    distances_near = [[cell.size * distance for cell in cells] for distance in NEAR]
    return {"columns": [cell.column for cell in cells], "near": distances_near, "model": model, "sizes": found}


def _cross_validated(use_case: UseCase, rows: pl.DataFrame, folds: Array, model: str) -> float:
    """The use case's metric over all folds together."""
    split = as_split(use_case, rows)
    order, answers = [], []
    for fold in range(FOLDS):
        held_out = np.flatnonzero(folds == fold)
        order.append(held_out)
        train = split.take(np.flatnonzero(folds != fold))
        fitted = fit_baseline(use_case, use_case.candidates()[model], train)
        answers.append(fitted.predict(split.take(held_out).inputs))
    targets = split.targets[np.concatenate(order)]
    return score(use_case.output, targets, np.concatenate(answers))[use_case.metric]


def main(name: str) -> None:
    use_case = load_use_case(name)
    rows = pl.concat([pl.read_parquet(path) for path in sorted(Paths(name).clean.iterdir())])
    files.write_text(Paths(name).metrics("cells"), json.dumps(measure(use_case, rows), indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
