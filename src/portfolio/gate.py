"""The gate: may the challenger take the champion's place? Both are run as bundles on the same test rows."""

from __future__ import annotations

from dataclasses import dataclass

from portfolio.bundle import Bundle
from portfolio.dataset import load_split
from portfolio.metrics import score
from portfolio.use_case import UseCase


@dataclass(frozen=True)
class Verdict:
    promoted: bool
    reason: str


def judge(use_case: UseCase, champion: Bundle | None, challenger: Bundle) -> Verdict:
    """Compare by the use case's metric. Equal is not better."""
    if champion is None:
        return Verdict(True, "there is no champion yet")
    test = load_split(use_case, "test")
    old, new = (
        score(use_case.output, test.targets, bundle.predict(test.inputs))[use_case.metric]
        for bundle in (champion, challenger)
    )
    better = new > old if use_case.greater_is_better else new < old
    compared = f"{use_case.metric} {new:,.4f} against the champion's {old:,.4f} on {len(test):,} test rows"
    return Verdict(better, f"{compared}: {'better' if better else 'not better'}")
