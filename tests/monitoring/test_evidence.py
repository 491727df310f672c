from __future__ import annotations

import numpy as np
import pytest

from portfolio.monitoring import evidence
from portfolio.monitoring.harm import limit

LOSSES = np.array([0.0, 0.3, 1.0])


def test_evidence_is_not_expected_to_grow_while_losses_are_at_the_limit() -> None:
    """Over all that may come of two looks, weighted by how probable it is: so Ville's inequality bounds the alarms."""
    probabilities = np.array([0.9, 0.06, 0.04])
    at = float(probabilities @ LOSSES)
    mean = 0.0
    for first, likely in zip(np.eye(3), probabilities, strict=True):
        once = evidence.after(evidence.none_yet(), 0, at, LOSSES, first)
        for second, too in zip(np.eye(3), probabilities, strict=True):
            twice = evidence.after(once, 1, at, LOSSES, second)
            mean += likely * too * float(evidence.total(twice, 2))
    assert mean == pytest.approx(1, abs=1e-12)


def test_few_who_look_all_the_time_are_ever_wrong() -> None:
    random = np.random.default_rng(0)
    money, ever = evidence.none_yet(2_000), np.zeros(2_000, dtype=bool)
    for look in range(200):
        wrong = random.binomial(10, 0.05, 2_000)
        money = evidence.after(money, 10 * look, 0.05, np.array([0.0, 1.0]), np.stack([10 - wrong, wrong], axis=1))
        ever |= evidence.total(money, 10 * look + 10) >= 20
    assert ever.mean() <= 0.05


def test_it_is_the_same_evidence_however_often_one_looks_before_a_change() -> None:
    """What a day of errors says after a thousand right answers, seen at once or one by one."""
    at_once = evidence.after(evidence.none_yet(), 0, 0.05, np.array([0.0, 1.0]), np.array([1000, 0]))
    one_by_one = evidence.none_yet()
    for seen in range(1000):
        one_by_one = evidence.after(one_by_one, seen, 0.05, np.array([0.0, 1.0]), np.array([1, 0]))
    after = [
        float(evidence.total(evidence.after(money, 1000, 0.05, np.array([0.0, 1.0]), np.array([60, 40])), 1100))
        for money in (at_once, one_by_one)
    ]
    assert min(after) > 100
    assert max(after) / min(after) < 20


@pytest.mark.parametrize(("promised", "now"), [(0.01, 0.02), (0.03, 0.045), (0.1, 0.14)])
def test_labels_without_end_find_harm_that_is_small(promised: float, now: float) -> None:
    """An alarm that never comes, however many labels say so, would be none."""
    at, each = limit({0.0: round(2000 * (1 - promised)), 1.0: round(2000 * promised)}, 1.0), 500
    assert at < now
    money, seen = evidence.none_yet(), 0
    while evidence.total(money, seen) < 100:
        counts = each * np.array([1 - now, now])
        money, seen = evidence.after(money, seen, at, np.array([0.0, 1.0]), counts), seen + each
        assert seen < 100_000


def test_a_limit_allows_for_errors_that_the_test_rows_did_not_show() -> None:
    # Of no error in n rows: 1 - 0.01 ** (1 / n), exactly (Clopper and Pearson).
    assert limit({0.0: 300}, 210.0) == pytest.approx(1 - 0.01 ** (1 / 300), rel=0.05)
    assert limit({0.0: 30_000}, 210.0) < limit({0.0: 300}, 210.0) < limit({0.0: 299, 210.0: 1}, 210.0)
    assert limit({}, 210.0) == 1.0


def test_evidence_without_end_can_be_written_down() -> None:
    money = evidence.none_yet()
    for look in range(100):
        money = evidence.after(money, look * 1000, 0.01, np.array([0.0, 1.0]), np.array([0, 1000]))
    assert np.isfinite(evidence.total(money, 100_000))
