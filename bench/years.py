"""Years of daily looks at a model that does what was promised, and days until one that does not is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from portfolio.bundle.policy import Floats
from portfolio.core.types import Array
from portfolio.monitoring import drift, estimate, evidence, harm, verdict, volume

YEARS, DAYS = 1_000, 365
ROWS_A_DAY = 500
MACHINE_SHARE, SLICES = 0.9, 10
BY_HAND_YEN, CHECK_YEN, ERROR_YEN = 6.0, 2.0, 210.0
FIELDS, BINS = 14, 10
# What the model expects a row to be worth: levels that are equally probable, on a scale of yen.
LEVELS = BY_HAND_YEN - np.concatenate([np.full(2, CHECK_YEN), np.geomspace(2.0, 0.02, 18)])


@dataclass(frozen=True)
class Setting:
    """How many test rows there were, and how often the machine's own answers are wrong."""

    test_rows: int
    error_rate: float


@cache
def limit(errors: int, rows: int, confidence: float) -> float:
    return harm.limit({0.0: rows - errors, 1.0: errors}, 1.0, confidence) if rows else 1.0


def _limits(random: np.random.Generator, rates: Array, rows: Array, alpha_share: float) -> Floats:
    """The limits that so many test rows [...] give, if so many of them are expected to be wrong."""
    errors = random.binomial(rows, rates)
    confidence = 1 - (1 - harm.LIMIT_CONFIDENCE) * alpha_share
    found = [limit(int(wrong), int(of), confidence) for wrong, of in zip(errors.flat, rows.flat, strict=True)]
    return np.asarray(np.minimum(np.array(found).reshape(rows.shape), 1 - 1e-9))


class Labels:
    """The evidence of labels in many years at once, as a whole and by slice."""

    def __init__(self, random: np.random.Generator, setting: Setting, years: int) -> None:
        self._random = random
        machine = random.binomial(setting.test_rows, MACHINE_SHARE, years)
        by_slice = random.multinomial(machine, np.full(SLICES, 1 / SLICES))
        rows = np.column_stack([machine, by_slice])
        share = harm.SLICES_ALPHA / harm.ALPHA / SLICES
        whole = _limits(random, np.full((years, 1), setting.error_rate), rows[:, :1], 1.0)
        slices = _limits(random, np.full((years, SLICES), setting.error_rate), rows[:, 1:], share)
        self._limits = np.column_stack([whole, slices])
        self._thresholds = 1 / np.array([harm.ALPHA, *[harm.SLICES_ALPHA / SLICES] * SLICES])
        self._money = evidence.none_yet(years, SLICES + 1)
        self._seen = np.zeros((years, SLICES + 1), dtype=np.int64)

    def alarms(self, error_rate: float, labels: int) -> Array:
        """In which years there is an alarm after a look with so many labels more, as a whole or in a slice."""
        years = len(self._money)
        of_slice = self._random.multinomial(np.full(years, labels), np.full(SLICES, 1 / SLICES))
        wrong = self._random.binomial(of_slice, error_rate)
        both = np.stack([of_slice - wrong, wrong], axis=-1)
        counts = np.concatenate([both.sum(axis=1, keepdims=True), both], axis=1)
        self._money = evidence.after(self._money, self._seen, self._limits, np.array([0.0, 1.0]), counts)
        self._seen += counts.sum(axis=-1)
        return np.asarray((evidence.total(self._money, self._seen) >= self._thresholds).any(axis=1))


class Shares:
    """The evidence of rows that people decide, and the estimate, in many years at once."""

    def __init__(self, random: np.random.Generator, setting: Setting, years: int) -> None:
        self._random, self._test_rows = random, setting.test_rows
        rows = np.full(years, setting.test_rows)
        self._limits = _limits(random, np.full(years, 1 - MACHINE_SHARE), rows, 0.5)
        counts = random.multinomial(rows, np.full(len(LEVELS), 1 / len(LEVELS)))
        self._expected = counts @ LEVELS / setting.test_rows
        lost = CHECK_YEN * (1 - MACHINE_SHARE) + MACHINE_SHARE * setting.error_rate * ERROR_YEN
        self._value = BY_HAND_YEN - lost
        self._money, self._seen = evidence.none_yet(years), 0

    def look(self) -> tuple[Array, Array]:
        """In which years a day without change is called harmful, and in which it warns."""
        years = len(self._money)
        people = self._random.binomial(ROWS_A_DAY, 1 - MACHINE_SHARE, years)
        counts = np.column_stack([ROWS_A_DAY - people, people])
        self._money = evidence.after(self._money, self._seen, self._limits, np.array([0.0, 1.0]), counts)
        self._seen += ROWS_A_DAY
        seen = evidence.total(self._money, self._seen) >= 1 / harm.SHARE_ALPHA
        most = BY_HAND_YEN - people / ROWS_A_DAY * CHECK_YEN
        harmful = seen & (self._value - most > harm.SMALLEST_LOSS * BY_HAND_YEN)
        levels = self._random.multinomial(np.full(years, ROWS_A_DAY), np.full(len(LEVELS), 1 / len(LEVELS)))
        gap, errors = estimate.below(
            levels @ LEVELS, levels @ LEVELS**2, np.full(years, ROWS_A_DAY), self._expected, self._test_rows
        )
        harmful |= (gap > estimate.HARM_SHARE * BY_HAND_YEN) & (errors > estimate.HARM_ERRORS)
        return harmful, (gap > estimate.WARN_SHARE * BY_HAND_YEN) & (errors > estimate.WARN_ERRORS)


class Fields:
    """The distributions of fields in many years at once: each year has its own reference."""

    def __init__(self, random: np.random.Generator, rows: int, years: int) -> None:
        self._random, self._rows = random, rows
        # The tenths of a sample hold what the spacings between so many random numbers sum to.
        self._shares = random.dirichlet(np.full(BINS, rows / BINS), (years, FIELDS))
        # Missing and unseen values, of which there are none, are cells too.
        self._reference = np.array([*[rows // BINS] * BINS, 0, 0])
        self._beyond = random.beta(2, rows - 1, (years, FIELDS))

    def warns(self, rows: int) -> Array:
        """In which years a window without change warns of drift, or of values beyond those of the reference."""
        counts = self._random.multinomial(rows, self._shares)
        none = np.zeros((*counts.shape[:-1], 2), dtype=np.int64)
        p, effect = drift.two_samples(self._reference, np.concatenate([counts, none], axis=-1))
        drifted = drift.is_drift(drift.holm(p), effect).any(axis=-1)
        beyond = self._random.binomial(rows, self._beyond)
        least = np.array([_is_told(outside, rows, self._rows) for outside in range(beyond.max() + 1)])
        return np.asarray(drifted | least[beyond].any(axis=-1))


@cache
def _is_told(outside: int, rows: int, reference_rows: int) -> bool:
    likely = drift.beyond(outside, rows, reference_rows, 2) > verdict.OUTSIDE_ALPHA / FIELDS
    return outside >= verdict.OUTSIDE_SHARE * rows and not likely


def years(random: np.random.Generator, setting: Setting, labels_a_day: Sequence[int]) -> tuple[list[float], float]:
    """The shares of years in which a model without change is ever called harmful, and of windows that warn.

    The first by how many answers are audited a day; what needs no label is the same for all.
    """
    labels, shares = [Labels(random, setting, YEARS) for _ in labels_a_day], Shares(random, setting, YEARS)
    fields = Fields(random, setting.test_rows, YEARS)
    ever, warned = np.zeros((len(labels), YEARS), dtype=bool), 0.0
    for _ in range(DAYS):
        harmful, below = shares.look()
        found = [of.alarms(setting.error_rate, count) for of, count in zip(labels, labels_a_day, strict=True)]
        ever |= np.array(found) | harmful
        warned += float((below | fields.warns(ROWS_A_DAY)).mean()) / DAYS
    return ever.mean(axis=1).tolist(), warned


def days_of_moved_volume(random: np.random.Generator, years: int) -> float:
    """The share of days that are told to have more or fewer rows, though none has: only chance and Sundays are in it.

    A day has a third more or less than usual (gamma), and a Sunday half.
    """
    usual = 2_000 * np.where(np.arange(DAYS) % 7 == 6, 0.5, 1.0)
    told = 0
    for _ in range(years):
        rows = random.poisson(usual * random.gamma(9, 1 / 9, DAYS))
        for day in range(volume.LEAST_DAYS, DAYS):
            told += volume.moved(rows[max(0, day - volume.MOST_DAYS) : day + 1][::-1].tolist()) is not None
    return told / (years * (DAYS - volume.LEAST_DAYS))


def labels_needed(
    random: np.random.Generator, setting: Setting, drop: float, *, looks_before: int, labels: int = 10
) -> float:
    """The median of the audited labels until errors that are more frequent by `drop` are found; inf if most are not."""
    years, most = 300, 2_000 // labels
    found = Labels(random, setting, years)
    for _ in range(looks_before):
        found.alarms(setting.error_rate, labels)
    needed = np.full(years, np.inf)
    for look in range(1, most + 1):
        alarms = found.alarms(setting.error_rate + drop, labels)
        needed = np.where(alarms & np.isinf(needed), look * labels, needed)
    return float(np.median(needed))
