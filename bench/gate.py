"""How often the gate promotes a model that is no better, and how soon one that is: `python -m bench.gate`.

A year has 52 retrainings that change nothing but chance: each challenger errs as often as the champion does. Its errors
are on other rows in part, because some rows are harder than others; or on any rows, which is more noise. New test rows
come every week.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import numpy as np
import numpy.typing as npt

from bench.coverage import BY_HAND_YEN, CHECK_YEN, ERROR_YEN, of_rows
from bench.rows import Row, console, record
from portfolio.contract.config import Gate
from portfolio.evaluation.gate import ALPHA, MIN_FRESH, compare_worth, fresh_first

MARGIN = Gate().min_gain * BY_HAND_YEN
YEARS, WEEKS = 1_000, 52
FIRST_ROWS, WEEKLY_ROWS = 272, 84
ERROR_RATE, CHECKED = 0.005, 0.05
# Rows differ in how hard they are: the smaller, the more the errors of two models fall on the same rows.
SPREAD = 0.2
POWER, TRIES_FOR_POWER = 0.8, 200
WORST = -ERROR_YEN

Floats = npt.NDArray[np.float64]
Hardness = Callable[[np.random.Generator, int], Floats]


def main() -> None:
    random = np.random.default_rng(0)
    rows = []
    nulls = (
        ("new rows every week", WEEKLY_ROWS, hardness),
        ("the same rows every week", 0, hardness),
        ("the same rows every week, errors on any rows", 0, equally_hard),
    )
    for name, weekly, difficulty in nulls:
        with console.status(f"{YEARS:,} years, {name}"):
            promoted, tries = years(random, weekly, difficulty)
        rows.append(Row(f"{YEARS:,} years, {name}: share in which any is promoted", promoted, "", at_most=ALPHA))
        rows.append(Row(f"  retrainings judged, {name}", tries, ""))
    value = BY_HAND_YEN - CHECKED * CHECK_YEN - ERROR_RATE * ERROR_YEN
    for gain in (0.01, 0.05):
        for name, saved, most in (("by fewer errors", ERROR_YEN, ERROR_RATE), ("by fewer checks", CHECK_YEN, CHECKED)):
            share = gain * value / saved
            # Nobody can leave out more errors, or checks, than the champion has.
            if share <= most:
                needed = rows_needed(random, share, saved)
                rows.append(Row(f"test rows to see that one is worth {gain:.0%} more, {name}", needed, "rows"))
    needed = rows_needed(random, 0.05 * value / ERROR_YEN, ERROR_YEN, earlier=WEEKS - 1)
    rows.append(Row(f"the same for 5%, by fewer errors, at the {WEEKS}nd try on the same rows", needed, "rows"))
    record("gate", rows, command="python -m bench.gate")


def years(random: np.random.Generator, weekly: int, hard: Hardness) -> tuple[float, int]:
    """The share of years in which any challenger is promoted, and the number of those that were judged."""
    promoted, tries = 0, 0
    for _ in range(YEARS):
        difficulty = hard(random, FIRST_ROWS + weekly * WEEKS)
        champion = answers(random, difficulty)
        earlier: list[int] = []
        for week in range(WEEKS):
            rows = FIRST_ROWS + weekly * week
            difference = answers(random, difficulty[:rows]) - champion[:rows]
            tries += 1
            # What came after the champion was trained, once it is enough for a test of its own.
            fresh = np.arange(rows) >= (FIRST_ROWS if rows >= FIRST_ROWS + MIN_FRESH else rows)
            if fresh_first(difference, None, fresh, WORST, MARGIN, earlier).is_more:
                promoted += 1
                break
            earlier.append(rows)
    return promoted / YEARS, tries


def hardness(random: np.random.Generator, rows: int) -> Floats:
    """Each row's chance of an error, ERROR_RATE in the mean."""
    return random.beta(SPREAD * ERROR_RATE, SPREAD * (1 - ERROR_RATE), rows)


def equally_hard(random: np.random.Generator, rows: int) -> Floats:
    """The same chance for every row: the errors of two models have nothing to do with each other."""
    return np.full(rows, ERROR_RATE)


def answers(random: np.random.Generator, difficulty: Floats) -> Floats:
    """What one model saves on each row."""
    drawn = random.random(len(difficulty))
    wrong, checked = drawn < difficulty, drawn > 1 - CHECKED
    return BY_HAND_YEN - np.where(checked, CHECK_YEN, np.where(wrong, ERROR_YEN, 0.0))


def rows_needed(random: np.random.Generator, share: float, yen: float, earlier: int = 0) -> int:
    """How many test rows it takes to promote a challenger in 80% of tries, if it saves that many yen on that share of
    the rows more; errors and checks of both fall on different rows beside."""
    noise = (ERROR_RATE / 2, CHECKED / 2)
    probabilities = np.array([share, *np.repeat(noise, 2)])
    values = np.array([yen, ERROR_YEN, -ERROR_YEN, CHECK_YEN, -CHECK_YEN, 0.0])
    probabilities = np.append(probabilities, 1 - probabilities.sum())
    for rows in (round(100 * 2 ** (step / 2)) for step in count()):
        seen = 0
        for counts in random.multinomial(rows, probabilities, TRIES_FOR_POWER):
            seen += compare_worth(of_rows(values, counts), WORST, MARGIN, [rows] * earlier).is_more
        if seen >= POWER * TRIES_FOR_POWER:
            return rows
    raise AssertionError


if __name__ == "__main__":
    main()
