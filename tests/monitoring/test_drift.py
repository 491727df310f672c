from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from portfolio.bundle.reference import of_categories, of_numbers
from portfolio.core.types import Array
from portfolio.monitoring.drift import ALPHA, beyond, drifts, holm, median, median_of, two_samples
from portfolio.monitoring.tally import Tally


def tally(reference: Array, values: Array, categories: tuple[str, ...] = ()) -> Tally:
    found = Tally(of_categories(reference, categories) if categories else of_numbers(reference))
    # In parts, as a window is read.
    for part in np.array_split(values, 3):
        found.add(part)
    return found


def test_the_test_is_that_of_scipy_where_no_cell_is_small() -> None:
    reference, counts = np.array([100, 200, 300, 50]), np.array([60, 90, 180, 40])
    p, effect = two_samples(reference, counts)
    expected = chi2_contingency(np.stack([reference, counts]), correction=False)
    assert p == pytest.approx(expected.pvalue)
    both = np.broadcast_to(counts, (3, 4))
    assert two_samples(reference, both)[0] == pytest.approx([float(p)] * 3)
    assert two_samples(reference, reference)[0] == pytest.approx(1)
    assert 0 < effect < 0.15


@pytest.mark.parametrize("rows", [50, 200, 2000])
@pytest.mark.parametrize("shares", [[0.1] * 10, [0.6, 0.3, 0.09, 0.01], [0.97, 0.02, 0.01]])
def test_without_change_it_alarms_as_seldom_as_it_says(rows: int, shares: list[float]) -> None:
    random = np.random.default_rng(0)
    reference, counts = random.multinomial(1000, shares, 5000), random.multinomial(rows, shares, 5000)
    p, _ = two_samples(reference, counts)
    assert (p <= 0.05).mean() <= 0.065
    assert (p <= ALPHA).mean() <= 0.017


def test_what_never_was_is_found_where_all_rows_were_alike() -> None:
    always = np.array(["a"] * 200, dtype=object)
    for value in ("", "b"):
        (found,) = drifts({("letter", ""): tally(always, np.array([value] * 50, dtype=object), ("a",))})
        assert found["drifted"]
        assert found["to"] in (0, 1)
    (found,) = drifts({("x", ""): tally(np.full(200, 3.0), np.full(50, np.nan))})
    assert (found["drifted"], found["of"], found["from"], found["to"]) == (True, "(missing)", 0, 1)


def test_a_large_window_does_not_tell_of_a_drift_that_is_nothing() -> None:
    random = np.random.default_rng(0)
    (found,) = drifts({("x", ""): tally(random.normal(size=50_000), random.normal(0.05, 1, 100_000))})
    assert found["adjusted_p"] < ALPHA
    assert not found["drifted"]


def test_the_median_is_found_within_its_bin() -> None:
    random = np.random.default_rng(0)
    found = tally(random.normal(size=5000), random.normal(0.4, 1, 5000))
    assert median(found.reference, found.counts[:-2]) == pytest.approx(0.4, abs=0.06)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("share", [0.3, 0.6, 1.0])
def test_the_median_is_that_of_the_values_also_where_they_lie_beyond_the_reference(sign: int, share: float) -> None:
    """A field that came in another unit: what lies within the reference says nothing of it."""
    random = np.random.default_rng(0)
    values = random.normal(size=9000)
    values[random.random(9000) < share] *= 1000
    values = np.abs(values) * sign
    found = tally(np.abs(random.normal(size=5000)) * sign, values)
    assert median_of(found) == pytest.approx(np.median(values), rel=0.1)
    assert len(found.above.values) + len(found.below.values) <= 2000
    (told,) = drifts({("x", ""): found})
    assert told["to"] == median_of(found)


def test_more_tests_ask_for_more_evidence() -> None:
    assert holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    assert holm(np.array([[0.5], [0.01]])) == pytest.approx(np.array([[0.5], [0.01]]))


def test_values_beyond_those_of_training_are_rare_by_chance() -> None:
    random = np.random.default_rng(0)
    alarms = 0
    for _ in range(1000):
        reference = random.normal(size=100)
        values = random.normal(size=500)
        outside = int(((values < reference.min()) | (values > reference.max())).sum())
        alarms += beyond(outside, 500, 100, 2) <= 0.05
    assert alarms <= 70
    assert beyond(0, 500, 100, 2) == 1
    assert beyond(250, 500, 100, 2) < 1e-9


def with_missing(random: np.random.Generator, rows: int, missing: float) -> Array:
    values = random.normal(size=rows)
    values[: round(rows * missing)] = np.nan
    return values


@pytest.mark.parametrize(
    ("before", "now", "rows", "is_told"),
    [
        (0.0, 0.02, 500, True),
        (0.0, 0.05, 500, True),
        (0.01, 0.05, 500, True),
        (0.01, 0.02, 100_000, False),
        (0.3, 0.33, 100_000, False),
        (0.02, 0.02, 500, False),
    ],
)
def test_values_that_begin_to_be_missing_are_told(before: float, now: float, rows: int, is_told: bool) -> None:
    random = np.random.default_rng(0)
    tallies = {(f"x{number}", ""): tally(random.normal(size=1000), random.normal(size=500)) for number in range(10)}
    tallies["moved", ""] = tally(with_missing(random, 1000, before), with_missing(random, rows, now))
    found = {one["field"]: one for one in drifts(tallies)}
    assert [name for name, one in found.items() if one["drifted"]] == (["moved"] if is_told else [])
    if is_told:
        moved = found["moved"]
        assert (moved["of"], moved["from"], moved["to"]) == ("(missing)", before, now)
        assert moved["adjusted_p"] <= ALPHA


def test_categories_that_begin_to_be_missing_are_told() -> None:
    before, now = (np.array(["a", "b"] * 500, dtype=object) for _ in range(2))
    now[:30] = ""
    (found,) = drifts({("letter", ""): tally(before, now, ("a", "b"))})
    assert (found["drifted"], found["of"], found["to"]) == (True, "(missing)", 0.03)


def test_values_that_are_missing_as_often_as_before_are_seldom_told() -> None:
    random, told = np.random.default_rng(0), 0
    for _ in range(300):
        tallies = {}
        for number in range(8):
            columns = [random.normal(size=rows) for rows in (1000, 500)]
            for column in columns:
                column[random.random(len(column)) < 0.02] = np.nan
            tallies[f"x{number}", ""] = tally(*columns)
        told += any(one["drifted"] for one in drifts(tallies))
    assert told <= 6
