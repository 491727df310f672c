"""A table of any size, like that of a use case that estimates a quantity: `python -m bench.large_table ROWS FILE`.

Run it where a `params.yaml` and `use_cases/` are. Rows are drawn again and again, each number moved a little; columns
that mix two of them fill the table up.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl

from portfolio.contract.loading import load_use_case
from portfolio.contract.use_case import UseCase
from portfolio.core.errors import ConfigError
from portfolio.core.paths import PARAMS, Paths, listed_use_cases
from portfolio.data.collect import collect

INPUTS = 30
KEY, TARGET = "id", "quantity"
# Of a column's standard deviation.
NOISE = 0.02


def regression_table() -> UseCase:
    """The first use case with a table of numbers and a quantity to estimate. Raises ConfigError if there is none."""
    for name in listed_use_cases():
        use_case = load_use_case(name)
        kinds = [field.kind for field in use_case.inputs]
        if use_case.output.task == "regression" and kinds.count("number") > 1 and {*kinds} <= {"number", "category"}:
            return use_case
    raise ConfigError(f"This needs a use case in {PARAMS} that estimates a quantity from a table.")


def write_table(path: Path, use_case: UseCase, rows: int) -> None:
    """Parquet with a key, 30 inputs and a target; what the use case has collected is drawn from."""
    random = np.random.default_rng(0)
    found = pl.concat(
        [pl.read_parquet(batch) for batch in sorted(Paths(use_case.name).batches.glob("*.parquet"))],
        how="vertical_relaxed",
    )
    drawn = found[random.integers(0, len(found), rows)]
    columns: dict[str, pl.Series] = {KEY: pl.Series(np.arange(rows))}
    numbers = []
    for field in use_case.inputs:
        if field.kind == "number":
            values = drawn[field.name].cast(pl.Float64).to_numpy()
            columns[field.name] = pl.Series(values + random.normal(0, NOISE * np.nanstd(values), rows))
            numbers.append(field.name)
        else:
            columns[field.name] = drawn[field.name]
    scaled = {name: columns[name] / columns[name].fill_nan(None).std() for name in numbers}
    for number in range(INPUTS + 1 - len(columns)):
        first, second = numbers[number % len(numbers)], numbers[(3 * number + 1) % len(numbers)]
        columns[f"mixed {number}"] = scaled[first] + scaled[second] + pl.Series(random.normal(size=rows))
    columns[TARGET] = drawn[use_case.target.column].cast(pl.Float64) * pl.Series(random.normal(1, 0.05, rows))
    pl.DataFrame(columns).write_parquet(path)


def main(rows: int, path: Path) -> None:
    use_case = regression_table()
    collect(use_case.source, Paths(use_case.name).batches)
    write_table(path, use_case, rows)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
