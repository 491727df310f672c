"""Drift: whether values are distributed otherwise than in the reference, by how much, and how they moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from portfolio.bundle.manifest import Reference
from portfolio.bundle.policy import Floats
from portfolio.bundle.summaries import DATE
from portfolio.core.dates import iso_date
from portfolio.core.types import Array
from portfolio.monitoring.tally import Tally, counts_of

# The chance that any of a look's tests says so though nothing has changed.
ALPHA = 0.01
# Cohen's w from which a drift is told: a number that moved by a fifth of its standard deviation. And Cohen's h, of more
# missing values: from none to 1%, from 1% to 4%, or from 30% to 40%.
SMALLEST_EFFECT = 0.2
# Cells in which fewer are expected are put together: the chi-square distribution would be a poor approximation.
LEAST_EXPECTED = 4.0
# The place of the missing values among the cells of a tally.
MISSING = -2


def two_samples(reference: Array, counts: Array) -> tuple[Floats, Floats]:
    """The p value and the effect (Cohen's w) of counts [..., cells] against those of the reference [..., cells].

    Pearson's chi-square test of two samples, since the reference is a sample itself. What chance alone adds to the
    effect is taken off.
    """
    # Here and below, because it takes a second of processor time to import.
    from scipy.special import gammaincc
    from scipy.stats import hypergeom

    reference, counts = np.broadcast_arrays(
        np.asarray(reference, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    )
    first, second = reference.sum(axis=-1), counts.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        # By the reference alone: cells that were chosen for what fell into them would not have this distribution.
        likely = reference * np.minimum(1, second / first)[..., None]
        kept = likely >= LEAST_EXPECTED
        # The rest is one cell; if that is still too small, it goes to the smallest that was kept.
        rests = [np.where(kept, 0, of).sum(axis=-1) for of in (reference, counts)]
        is_rare = np.where(kept, 0, likely).sum(axis=-1) < LEAST_EXPECTED
        # Where nearly all rows are in one cell, an exact test of the rest takes the place of that distribution.
        is_exact = is_rare & (kept.sum(axis=-1) == 1)
        alone = ~is_rare | is_exact
        smallest = np.where(kept, likely, np.inf).argmin(axis=-1)
        cells = [_with_rest(of, kept, alone, smallest) for of in (reference, counts)]
        total = cells[0] + cells[1]
        # (a - expected)^2 / expected over both samples, in one term a cell.
        differences = cells[0] * second[..., None] - cells[1] * first[..., None]
        terms = np.where(total > 0, differences**2 / total, 0)
        statistic = np.nan_to_num(terms.sum(axis=-1) / (first * second))
        degrees = np.maximum((total > 0).sum(axis=-1) - 1, 0)
        sizes = first * second / (first + second)
        effect = np.sqrt(np.maximum(np.nan_to_num((statistic - degrees) / sizes), 0))
    p = np.where(degrees > 0, gammaincc(np.maximum(degrees, 1) / 2, statistic / 2), 1.0)
    if is_exact.any():
        exact = hypergeom.sf(rests[1] - 1, first + second, rests[0] + rests[1], second)
        p = np.where(is_exact, exact, p)
    return p, effect


def more_missing(reference: Array, counts: Array) -> tuple[float, float]:
    """The p value and the effect (Cohen's h) of more missing values in counts [cells] than in those of the reference.

    One-sided and exact (Fisher), of that cell alone: in `two_samples` a few of them are one cell with many others.
    """
    from scipy.stats import hypergeom

    first, second = int(reference.sum()), int(counts.sum())
    before, now = int(reference[MISSING]), int(counts[MISSING])
    p = hypergeom.sf(now - 1, first + second, before + now, second)
    return float(p), float(2 * (np.arcsin(np.sqrt(now / second)) - np.arcsin(np.sqrt(before / first))))


def _with_rest(counts: Floats, kept: Array, alone: Array, smallest: Array) -> Floats:
    """The kept cells [..., cells], and the sum of the others as a cell of its own, or added to the smallest."""
    rest = np.where(kept, 0, counts).sum(axis=-1)
    found = np.where(kept, counts, 0)
    np.put_along_axis(
        found,
        smallest[..., None],
        np.take_along_axis(found, smallest[..., None], -1) + np.where(alone, 0, rest)[..., None],
        -1,
    )
    return np.concatenate([found, np.where(alone, rest, 0)[..., None]], axis=-1)


def holm(p: Array) -> Floats:
    """Corrected for the number of tests, along the last axis [..., tests] (Holm 1979)."""
    order = np.argsort(p, axis=-1)
    tests = p.shape[-1]
    steps = np.take_along_axis(p, order, -1) * np.arange(tests, 0, -1)
    corrected = np.minimum(np.maximum.accumulate(steps, axis=-1), 1)
    found = np.empty_like(corrected)
    np.put_along_axis(found, order, corrected, -1)
    return found


def is_drift(corrected: Array, effect: Array) -> Array:
    return (corrected <= ALPHA) & (effect >= SMALLEST_EFFECT)


def beyond(outside: int, rows: int, reference_rows: int, ends: int) -> float:
    """How probable it is that so many rows lie outside the support of the reference, though nothing has changed.

    A new value lies beyond the `ends` of n others (2 of numbers, 1 of categories) with a probability that has a
    Beta(ends, n + 1 - ends) distribution.
    """
    if not outside or reference_rows < 2:
        return 1.0
    from scipy.stats import betabinom

    return float(betabinom.sf(outside - 1, rows, ends, reference_rows + 1 - ends))


def drifts(tallies: Mapping[tuple[str, str], Tally]) -> list[dict[str, Any]]:
    """By field and summary whether it drifted, and from where to where it moved. The largest effect comes first.

    Where it is not known of how many rows a reference is, there is no test. Of a field of which more values are missing
    that is what is said, unless something else is the clearer.
    """
    known = {name: tally for name, tally in tallies.items() if tally.reference.rows and tally.rows}
    tested = {name: two_samples(counts_of(tally.reference), tally.counts) for name, tally in known.items()}
    # Where none is missing, before or now, there is nothing to test: that takes no part in the correction.
    some = {name: tally for name, tally in known.items() if counts_of(tally.reference)[MISSING] + tally.counts[MISSING]}
    missing = {name: more_missing(counts_of(tally.reference), tally.counts) for name, tally in some.items()}
    p_values = [float(of[0]) for of in tested.values()] + [of[0] for of in missing.values()]
    corrected = iter(holm(np.array(p_values)).tolist() if p_values else [])
    found = {name: _told(name, *tested[name], next(corrected)) | moved(tally) for name, tally in known.items()}
    for name, tally in some.items():
        more = _told(name, *missing[name], next(corrected)) | _moved_to_missing(tally)
        if more["drifted"] and (more["p"] < found[name]["p"] or not found[name]["drifted"]):
            found[name] = more
    told = [_as_dates(one) if one["summary"] == DATE else one for one in found.values()]
    return sorted(told, key=lambda one: -one["effect"])


def _told(name: tuple[str, str], p: Array | float, effect: Array | float, adjusted: float) -> dict[str, Any]:
    return {
        "field": name[0],
        "summary": name[1],
        "p": float(p),
        "adjusted_p": adjusted,
        "effect": float(effect),
        "drifted": bool(is_drift(np.asarray(adjusted), np.asarray(effect))),
    }


def moved(tally: Tally) -> dict[str, Any]:
    """What moved most, `from` where `to` where: the median of numbers, or the share of a category or of the missing."""
    before, now = counts_of(tally.reference), tally.counts
    old, new = before / before.sum(), now / now.sum()
    labels = (*tally.reference.categories, "(missing)", "(unseen)")
    if tally.reference.categories:
        most = int(np.argmax(np.abs(new - old)))
        return {"of": labels[most], "from": float(old[most]), "to": float(new[most])}
    # Of the bins together against the missing ones, whichever moved more.
    if abs(new[-2] - old[-2]) > np.abs(new[:-2] - old[:-2]).sum() / 2 or not now[:-2].any() or not before[:-2].any():
        return _moved_to_missing(tally)
    return {"of": "median", "from": median(tally.reference, before[:-2]), "to": median_of(tally)}


def _as_dates(found: dict[str, Any]) -> dict[str, Any]:
    """Medians of days as people write them."""
    if found["of"] != "median":
        return found
    return found | {end: iso_date(found[end]) for end in ("from", "to")}


def _moved_to_missing(tally: Tally) -> dict[str, Any]:
    before, now = counts_of(tally.reference), tally.counts
    return {
        "of": "(missing)",
        "from": float(before[MISSING] / before.sum()),
        "to": float(now[MISSING] / now.sum()),
    }


def median_of(tally: Tally) -> float:
    """The median of a window's values: where most lie beyond the reference, no bin of it can tell."""
    half = tally.counts[:-2].sum() / 2
    if tally.below.count > half:
        return float(np.quantile(tally.below.values, half / tally.below.count))
    if tally.above.count > half:
        return float(np.quantile(tally.above.values, 1 - half / tally.above.count))
    return median(tally.reference, tally.counts[:-2], tally.below.count, tally.above.count)


def median(reference: Reference, counts: Sequence[int] | Array, below: int = 0, above: int = 0) -> float:
    """The median of values that are only known by their bins, by interpolation within its bin.

    So many of the first bin's and the last bin's lie beyond the reference.
    """
    low, high = (end if end is not None else 0.0 for end in (reference.low, reference.high))
    ends = np.array([low, low, *reference.edges, high, high])
    inside = np.array(counts, dtype=np.int64)
    inside[0] -= below
    inside[-1] -= above
    cumulative = np.cumsum([0, below, *inside, above])
    half = cumulative[-1] / 2
    place = int(np.clip(np.searchsorted(cumulative, half, side="right") - 1, 0, len(ends) - 2))
    within = (half - cumulative[place]) / max(cumulative[place + 1] - cumulative[place], 1)
    return float(ends[place] + within * (ends[place + 1] - ends[place]))
