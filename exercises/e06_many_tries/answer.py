"""Try often enough, and you will be lucky once."""

from __future__ import annotations


def significance(attempt: int) -> float:
    """The level at which the `attempt`-th challenger (1, 2, 3, ...) is tested on the same test rows.

    However many are tried, a challenger that is no better must be promoted with a probability of at most 2.5% in all.
    Every attempt gets some chance, and a later one no more than an earlier one.
    """
    raise NotImplementedError
