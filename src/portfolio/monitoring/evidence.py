"""Evidence that answers cost more than was promised, which may be looked at as often as one likes.

A bet is made on each audited answer: money grows by 1 + bet * (loss - limit), with losses from 0 to 1. While the mean
loss is at most `limit`, the money is not expected to grow, whatever the bet; so it ever reaches 1/alpha with a
probability of at most alpha (Ville 1939). It is spread over several bets, because the size of the harm is not known,
and over the looks at which they begin, because neither is its day: half begins at once, for a model that is worse from
the first day, and the rest is spent over all later answers. See Waudby-Smith and Ramdas (2024), Shin et al. (2023).
"""

from __future__ import annotations

import numpy as np

from portfolio.bundle.policy import Floats
from portfolio.core.types import Array

# As shares of the largest bet that can't lose all, 1 / limit, and how much of the money is on each. A bet never finds
# harm that is much smaller than it is made for, however many labels come. With a limit of 1.5%, the large ones find a
# rate of 2.7% and more, and soon if it is much more; the small one finds 1.8% in the end. A still smaller one would
# find limits that are a little too low by chance.
BETS = np.array([0.005, 0.03, 0.08])
SHARES = np.array([0.1, 0.45, 0.45])
AT_ONCE = 0.5
# Over so many answers, half of the rest is spent: by answers and not by looks, so that it is the same how often one
# looks.
HALF_LIFE = 1_000
# More says nothing more, and what can't overflow can be written as JSON.
MOST = 1e9


def none_yet(*shape: int) -> Floats:
    """The money that is in play before the first look, by bet: zeros [..., bets]."""
    return np.zeros((*shape, len(BETS)))


def after(money: Floats, seen: Array | int, limit: Array | float, losses: Array, counts: Array) -> Floats:
    """The money in play after one more look, [..., bets].

    `seen` [...] answers there were before; `counts` [..., kinds] are the numbers of new ones with each of the `losses`
    [kinds], and `limit` [...] lies above 0 and below 1.
    """
    begun = _kept_back(seen) - _kept_back(seen + np.asarray(counts).sum(axis=-1))
    limits = np.asarray(limit, dtype=np.float64)[..., None]
    bets = BETS / limits
    logarithms = np.log1p(bets[..., None, :] * (np.asarray(losses)[:, None] - limits[..., None]))
    growth = np.exp(np.minimum((np.asarray(counts)[..., None] * logarithms).sum(axis=-2), np.log(MOST)))
    return np.asarray(np.minimum((money + begun[..., None]) * growth, MOST))


def total(money: Floats, seen: Array | int) -> Floats:
    """The evidence after so many answers, [...]: 1 before the first; `1 / alpha` and more is an alarm."""
    return np.asarray(money @ SHARES + _kept_back(seen))


def _kept_back(seen: Array | int) -> Floats:
    """What is not in play yet after so many answers."""
    return np.where(np.asarray(seen) == 0, 1.0, (1 - AT_ONCE) * HALF_LIFE / (np.asarray(seen) + HALF_LIFE))
