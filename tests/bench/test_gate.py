"""What the bench of the gate is asked for; what it measures takes minutes, and is not repeated here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench import gate


def test_no_challenger_is_asked_for_that_leaves_out_more_than_the_champion_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[float, float]] = []

    def rows_needed(random: Any, share: float, yen: float, earlier: int = 0) -> int:
        asked.append((share, yen))
        return 1

    monkeypatch.setattr(gate, "rows_needed", rows_needed)
    monkeypatch.setattr(gate, "years", lambda *_: (0.0, 1))
    monkeypatch.setattr(gate, "record", lambda *_, **__: None)
    gate.main()
    assert {yen for _, yen in asked} == {gate.ERROR_YEN, gate.CHECK_YEN}
    assert all(share <= {gate.ERROR_YEN: gate.ERROR_RATE, gate.CHECK_YEN: gate.CHECKED}[yen] for share, yen in asked)


@pytest.mark.parametrize("hard", [gate.hardness, gate.equally_hard])
def test_useless_challengers_err_as_often_as_the_champion(hard: gate.Hardness) -> None:
    random = np.random.default_rng(0)
    difficulty = hard(random, 200_000)
    assert difficulty.mean() == pytest.approx(gate.ERROR_RATE, rel=0.1)
