"""No error in 100 rows does not mean that there are none."""

from __future__ import annotations


def highest_error_rate(errors: int, rows: int) -> float:
    """The highest error rate that is compatible with `errors` in `rows`, at 97.5% (Clopper and Pearson).

    It is the rate at which this many errors or fewer have a probability of 2.5%. A bootstrap can't find it: it draws
    only from rows that it has seen.
    """
    raise NotImplementedError
