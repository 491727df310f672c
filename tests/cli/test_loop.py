"""What `portfolio run` says at the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.training import Outcome
from portfolio.bundle.policy import VALUE
from portfolio.cli.loop import closing
from portfolio.core.paths import Paths
from portfolio.data.collect import Collected
from portfolio.evaluation.gate import Verdict
from portfolio.monitoring.feedback import Taken
from portfolio.report.blocks.results import checking_all
from tests.workspace import run_stage


def told(quarantined: list[dict[str, Any]]) -> str:
    verdict = Verdict.decided(True, "by_hand")
    return "\n".join(closing("toy", Outcome(Collected([], 0, 0), Taken(), [], 3, verdict, {}, quarantined)))


@pytest.fixture
def worth(built: Callable[[str], Path]) -> Callable[[float], float]:
    """Let the interval of the best model's value begin so far above what checking every answer saves, which it says."""
    built("toy")
    path = Paths("toy").metrics("evidence")
    evidence = json.loads(path.read_text())
    best = json.loads(Paths("toy").metrics("evaluate").read_text())["best"]

    def set_low(above: float) -> float:
        evidence["candidates"][best]["intervals"][VALUE][0] = checking_all(evidence) + above
        path.write_text(json.dumps(evidence))
        return checking_all(evidence)

    return set_low


def test_a_champion_that_may_be_worth_no_more_than_checking_every_answer_is_called_that(
    worth: Callable[[float], float],
) -> None:
    checked = f"{worth(1e-9):,.0f}"
    remark = f"do not show that it beats checking every answer, which saves ¥{checked} whatever the model"
    assert remark in told([])
    run_stage("report", "toy")
    assert remark in (Paths("toy").report / "index.html").read_text()
    assert f"モデルの良し悪しによらず¥{checked}" in (Paths("toy").report / "index.ja.html").read_text()


def test_of_a_champion_that_beats_checking_every_answer_nothing_of_it_is_said(worth: Callable[[float], float]) -> None:
    worth(100)
    assert "checking every answer" not in told([])
    assert told([]).startswith("Version 3: promoted and published (promoted by hand).\nNext: ")


def test_batches_that_nothing_was_learned_from_are_named_with_the_reason(worth: Callable[[float], float]) -> None:
    worth(100)
    lost = {"batch": "2026-01-05", "rows": 291, "reason": "40% of the rows are bad"}
    assert (
        "Nothing was learned from batch 2026-01-05 (291 rows), which is in data/toy/quarantine whole: "
        "40% of the rows are bad. Once its source is corrected: portfolio recollect toy\n" in told([lost])
    )
