"""How often a 95% interval of the value covers the true one: `python -m bench.coverage`.

Rows are made up: one model's, and pairs of models', with error rates from 0 to 20%; as prices those of an office that
keys digits, where an error costs 35 times what an item does by hand. So errors are rare, and each is expensive.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.rows import Row, record
from portfolio.evaluation.statistics import CONFIDENCE, Outcomes, interval, mean_interval, resampled_means

BY_HAND_YEN, CHECK_YEN, ERROR_YEN = 6.0, 2.0, 210.0
ERROR_RATES = (0, 0.001, 0.002, 0.004, 0.01, 0.05, 0.2)
ROWS = (100, 300, 1_000, 3_000, 10_000)
SIMULATIONS = 2_000
# A person checks this share of the rows; of two models, this share is checked under one alone.
CHECKED, CHECKED_BY_ONE = 0.1, 0.05
PLACE_ROWS = 5
LOWEST, HIGHEST = 0.93, 0.99


def main() -> None:
    random = np.random.default_rng(0)
    grid: dict[str, list[dict[str, Any]]] = {"one model": [], "two models": []}
    for error_rate in ERROR_RATES:
        one = np.array([1 - CHECKED - error_rate, CHECKED, error_rate])
        two = np.array([1 - 2 * CHECKED_BY_ONE - error_rate, *[CHECKED_BY_ONE] * 2, *[error_rate / 2] * 2])
        saved = BY_HAND_YEN - np.array([0, CHECK_YEN, ERROR_YEN])
        differences = np.array([0, CHECK_YEN, -CHECK_YEN, ERROR_YEN, -ERROR_YEN])
        for rows in ROWS:
            cells = {
                "one model": coverage(random, one, saved, saved.min(), BY_HAND_YEN, rows),
                "two models": coverage(random, two, differences, -ERROR_YEN, ERROR_YEN, rows),
            }
            for name, share in cells.items():
                grid[name].append({"error_rate": error_rate, "rows": rows, "coverage": share})
    shares = {name: [cell["coverage"] for cell in cells] for name, cells in grid.items()}
    # Where so few errors are expected that most samples have none, an interval covers always or far too seldom.
    expected = {
        name: [cell["coverage"] for cell in cells if cell["error_rate"] * cell["rows"] >= 4]
        for name, cells in grid.items()
    }
    measured = [
        *(Row(f"{name}: lowest coverage", min(found), "", at_least=LOWEST) for name, found in shares.items()),
        *(
            Row(f"{name}: highest coverage, with 4 errors or more to be expected", max(found), "", at_most=HIGHEST)
            for name, found in expected.items()
        ),
        Row("places of 5 rows that err together: coverage", by_place(random, together=True), "", at_least=LOWEST),
        Row("the same, taken for single rows", by_place(random, together=False), ""),
        Row("a bootstrap over 272 rows, error rate 0.2%", bootstrap(random), ""),
    ]
    record("coverage", measured, command="python -m bench.coverage", grid=grid)


def of_rows(values: Any, counts: Any) -> Outcomes:
    """Rows that each stand for themselves, given as so many of each value; a value that none has is no outcome."""
    there = counts > 0
    return Outcomes(values[there], np.ones(there.sum()), counts[there])


def coverage(
    random: np.random.Generator, probabilities: Any, values: Any, worst: float, best: float, rows: int
) -> float:
    """The share of simulations in which the interval of so many rows holds the true mean."""
    true, covered = float(probabilities @ values), 0
    known: dict[tuple[int, ...], bool] = {}
    for counts in random.multinomial(rows, probabilities, SIMULATIONS):
        key = tuple(counts.tolist())
        if key not in known:
            low, high = mean_interval(of_rows(values, counts), worst, best)
            # A mean at the bound itself is missed by rounding alone.
            known[key] = low - 1e-9 <= true <= high + 1e-9
        covered += known[key]
    return covered / SIMULATIONS


def by_place(random: np.random.Generator, *, together: bool) -> float:
    """Coverage where a place's rows are all wrong or all right: 60 places, of which 5% are wrong."""
    places, wrong = 60, 0.05
    true, covered = BY_HAND_YEN - wrong * ERROR_YEN, 0
    for _ in range(SIMULATIONS):
        values = np.repeat(BY_HAND_YEN - ERROR_YEN * (random.random(places) < wrong), PLACE_ROWS)
        units = np.repeat(np.arange(places), PLACE_ROWS) if together else None
        low, high = mean_interval(Outcomes.of(values, units), BY_HAND_YEN - ERROR_YEN, BY_HAND_YEN)
        covered += low <= true <= high
    return covered / SIMULATIONS


def bootstrap(random: np.random.Generator) -> float:
    """What one would take without thinking: percentiles of resampled means."""
    rows, error_rate, simulations = 272, 0.002, 200
    true, covered = BY_HAND_YEN - error_rate * ERROR_YEN, 0
    for _ in range(simulations):
        values = BY_HAND_YEN - ERROR_YEN * (random.random(rows) < error_rate)
        low, high = interval(resampled_means(values[:, None])[:, 0], CONFIDENCE)
        covered += low <= true <= high
    return covered / simulations


if __name__ == "__main__":
    main()
