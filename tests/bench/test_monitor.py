from __future__ import annotations

import numpy as np
import pytest

from bench import years
from bench.years import Labels, Setting, Shares


def test_errors_that_are_more_frequent_are_found_and_others_are_not() -> None:
    random = np.random.default_rng(0)
    same, worse = (Labels(random, Setting(2_000, 0.01), 50) for _ in range(2))
    for _ in range(30):
        found = same.alarms(0.01, 20), worse.alarms(0.2, 20)
    assert found[0].mean() <= 0.05
    assert found[1].all()


def test_a_busy_service_without_change_is_not_harmful_either() -> None:
    """So many labels find a limit that is a little too low."""
    found, ever = Labels(np.random.default_rng(0), Setting(300, 0.1), 500), np.zeros(500, dtype=bool)
    for _ in range(200):
        ever |= found.alarms(0.1, 900)
    assert ever.mean() <= 0.015


def test_a_day_without_change_is_not_harmful(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = Shares(np.random.default_rng(0), Setting(2_000, 0.001), 50)
    assert not shares.look()[0].any()
    # Nine of ten rows go to people.
    monkeypatch.setattr(years, "MACHINE_SHARE", 0.1)
    assert shares.look()[0].all()
