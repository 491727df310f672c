"""The gate: may the challenger take the champion's place? Both are run as bundles on the same test rows.

Retraining again and again, and asking the same rows each time, would promote a useless challenger sooner or later. So
the tries share one error rate: against one champion, the chance that any useless challenger is ever promoted stays
under 5%, however many there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.latency import latency_ms
from portfolio.contract.config import Config
from portfolio.contract.use_case import BATCH, UseCase
from portfolio.core.sentences import told
from portfolio.core.types import Array
from portfolio.data.dataset import Split, load_split
from portfolio.data.split import is_test_row, units
from portfolio.evaluation.statistics import Outcomes, mean_interval, p_value
from portfolio.evaluation.value import bounds, yen_by_row

# The chance that a challenger which is worth no more than the champion is ever promoted, over all tries.
ALPHA = 0.05
# The chance that any slice is said to be worse though none is.
SLICES_ALPHA = 0.05
# With fewer rows of batches that the champion has not seen, there is no test of them alone; it has this share of the
# error rate.
MIN_FRESH, FRESH_SHARE = 30, 0.5
FINDINGS = Path(__file__).with_name("findings.yaml")

Approval = Literal["given", "awaited", "denied"]
"""What a person says of a promotion. Where nobody need be asked, it is given."""
APPROVAL = "approval"


@dataclass(frozen=True)
class Check:
    name: str
    passed: bool
    finding: str
    """Which sentence of findings.yaml says what was found, with these figures in it."""
    figures: dict[str, Any] = field(default_factory=dict)

    def told(self, language: str) -> str:
        """In words."""
        return told(FINDINGS, language, self.finding, self.figures)


@dataclass(frozen=True)
class Verdict:
    """Promoted if every check passed."""

    checks: list[Check]

    @classmethod
    def decided(cls, promoted: bool, finding: str, **figures: Any) -> Self:
        """One that needed no comparison."""
        return cls([Check("decision", promoted, finding, figures)])

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Self:
        return cls(
            [Check(*(check[key] for key in ("name", "passed", "finding", "figures"))) for check in record["checks"]]
        )

    def approved(self, approval: Approval) -> Verdict:
        """The same with what a person says of it, if the gate lets the version through. A refusal of theirs stands."""
        gate = Verdict([check for check in self.checks if check.name != APPROVAL])
        if approval == "given" or not gate.promoted:
            return gate
        denied = approval == "denied" or any(check.finding == "not_approved" for check in self.checks)
        return Verdict([*gate.checks, Check(APPROVAL, False, "not_approved" if denied else "awaits_approval")])

    @property
    def awaits_approval(self) -> bool:
        return any(check.finding == "awaits_approval" for check in self.checks)

    @property
    def promoted(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def reason(self) -> str:
        return self.told("en")

    def told(self, language: str) -> str:
        """What failed, or the first check's figures."""
        failed = [check for check in self.checks if not check.passed]
        return "; ".join(check.told(language) for check in failed or self.checks[:1])

    def as_dict(self, language: str = "en") -> dict[str, Any]:
        checks = [{**asdict(check), "detail": check.told(language)} for check in self.checks]
        return {"promoted": self.promoted, "reason": self.told(language), "checks": checks}


def judge(
    use_case: UseCase, config: Config, champion: Bundle | None, challenger: Bundle, earlier: Sequence[int] = ()
) -> Verdict:
    """Compare by value, and by what must not get worse. Without a champion, compare with doing all by hand.

    `earlier` are the numbers of test rows in the earlier judgements of challengers of this champion, oldest first.
    """
    if champion is not None and _fields(champion) != _fields(challenger):
        return Verdict([_other_fields(champion, challenger)])
    test = _unseen(load_split(use_case, "test"), [challenger, *([] if champion is None else [champion])])
    if not len(test):
        return Verdict([Check("unseen rows", False, "no_unseen_rows")])
    answers = challenger.predict(test.inputs)
    infinite = int((~np.isfinite(answers)).any(axis=1).sum())
    if infinite:
        return Verdict([Check("finite answers", False, "not_finite", {"rows": infinite, "of": len(test)})])
    new = value_by_row(use_case, config, challenger, test.targets, answers)
    # By hand, every item is worth 0 by definition.
    old, worst = np.zeros(len(test)), bounds(config.value)[0]
    if champion is not None:
        old = value_by_row(use_case, config, champion, test.targets, champion.predict(test.inputs))
        worst = -(bounds(config.value)[1] - worst)
    together = units(use_case.source, test.rows)
    fresh = np.zeros(len(test), dtype=bool) if champion is None else _fresh(champion, test)
    checks = [
        _worth(config, new - old, worst, together, earlier, first=champion is None, fresh=fresh),
        Check("finite answers", True, "finite"),
    ]
    if champion is not None:
        checks.append(_slices(use_case, test, new - old, worst))
    return Verdict([*checks, *_bounds(config, challenger, test)])


def _unseen(test: Split, bundles: Sequence[Bundle]) -> Split:
    """The test rows that none of the models was trained or chosen on, under the split that each was made with."""
    unseen = np.ones(len(test), dtype=bool)
    for rule in {bundle.manifest.split for bundle in bundles}:
        if rule is not None:
            unseen &= is_test_row(rule, test.rows)
    return test if unseen.all() else test.take(unseen)


def value_by_row(use_case: UseCase, config: Config, bundle: Bundle, targets: Array, predictions: Array) -> Array:
    """Yen saved by each answer, [rows], under the bundle's own policy. A bundle without one answers everything."""
    decisions = bundle.decider(predictions)
    return yen_by_row(use_case.output, config.value, targets, predictions, decisions)


def alpha(rows: int, earlier: Sequence[int]) -> float:
    """The error rate of the next judgement, on `rows` test rows: all of them together stay under ALPHA.

    Fresh rows open a new round: it begins when no more than half of the test rows were there in the first judgement of
    the last one. The k-th judgement of the r-th round has a share of 36 / (pi^4 k^2 r^2), which add up to 1.
    """
    round_number, tries, rows_at_first = 1, 0, None
    for count in (*earlier, rows):
        if rows_at_first is None or count >= 2 * rows_at_first:
            round_number, tries, rows_at_first = round_number + (rows_at_first is not None), 0, count
        tries += 1
    return ALPHA * 36 / (math.pi**4 * tries**2 * round_number**2)


@dataclass(frozen=True)
class Worth:
    """Whether a model is worth more than another by more than noise, and the figures behind it."""

    outcomes: Outcomes
    p: float
    alpha: float
    on_fresh: bool = False
    """Whether the outcomes are those of the fresh rows alone."""

    @property
    def is_more(self) -> bool:
        return self.p <= self.alpha


def fresh_first(
    difference: Array, together: Array | None, fresh: Array, worst: float, margin: float, earlier: Sequence[int]
) -> Worth:
    """Test whether differences [rows] between two models, no lower than `worst`, are above `margin` in the mean.

    On the fresh rows first, if they are some among others: what comes from now on is more like what came last. If that
    shows nothing, on all rows. The two tests share the error rate of this try.
    """
    if not fresh.any() or fresh.all():
        return compare_worth(Outcomes.of(difference, together), worst, margin, earlier)
    of_fresh = None if together is None else together[fresh]
    found = compare_worth(Outcomes.of(difference[fresh], of_fresh), worst, margin, earlier, FRESH_SHARE)
    if found.is_more:
        return replace(found, on_fresh=True)
    return compare_worth(Outcomes.of(difference, together), worst, margin, earlier, 1 - FRESH_SHARE)


def compare_worth(outcomes: Outcomes, worst: float, margin: float, earlier: Sequence[int], share: float = 1.0) -> Worth:
    """The same for outcomes that were counted already, with `share` of the error rate that this try may have."""
    rows = int(outcomes.counts @ outcomes.rows)
    return Worth(outcomes, p_value(outcomes, worst, margin), share * alpha(rows, earlier))


def _fresh(champion: Bundle, test: Split) -> Array:
    """The test rows of batches that came after the champion was trained, bool [rows]."""
    known = champion.manifest.batches
    if not known:
        return np.zeros(len(test), dtype=bool)
    return np.asarray((~test.rows[BATCH].is_in(known)).to_numpy())


def _worth(
    config: Config,
    difference: Array,
    worst: float,
    together: Array | None,
    earlier: Sequence[int],
    *,
    first: bool,
    fresh: Array,
) -> Check:
    margin = config.gate.min_gain * config.value.by_hand_yen
    are_enough = fresh.sum() >= MIN_FRESH
    worth = fresh_first(difference, together, fresh & are_enough, worst, margin, earlier)
    low, high = mean_interval(worth.outcomes, worst, config.value.by_hand_yen if first else -worst)
    prices = config.value.prices
    figures = {
        # It is counted as a judgement on all rows, wherever it was decided.
        "rows": len(difference),
        "tries": len(earlier) + 1,
        "mean": 1000 * worth.outcomes.mean,
        "margin": 1000 * margin,
        "checking_all": 1000 * (prices.by_hand_yen - prices.check_yen),
        "low": 1000 * low,
        "high": 1000 * high,
        "p": worth.p,
        "alpha": worth.alpha,
    }
    if worth.on_fresh:
        return Check("value", True, "better_on_fresh_rows", figures | {"fresh": int(fresh.sum())})
    if fresh.any() and not are_enough and not worth.is_more:
        # What has changed since is hardly among the rows that it was judged on.
        return Check("value", False, "too_few_fresh_rows", figures | {"fresh": int(fresh.sum()), "least": MIN_FRESH})
    finding = f"{'better' if worth.is_more else 'not_better'}_than_{'hand' if first else 'champion'}"
    return Check("value", worth.is_more, finding, figures)


def _slices(use_case: UseCase, test: Split, difference: Array, worst: float) -> Check:
    """Whether any slice is worse by more than noise; the more slices, the surer one must be (Bonferroni)."""
    together = units(use_case.source, test.rows)
    slices = []
    for by, column in use_case.groups(test.rows).items():
        labels = column.to_numpy()
        slices += [(f"{by} {label}", labels == label) for label in np.unique(labels)]
    limit = SLICES_ALPHA / len(slices)
    # If that many rows go from right to the worst error, the p-value is 2 to the power of minus their number.
    errors = math.ceil(math.log2(1 / limit))
    testable = [(name, rows) for name, rows in slices if rows.sum() >= errors]
    worse = [
        f"{name} ({1000 * difference[rows].mean():+,.0f})"
        for name, rows in testable
        if difference[rows].mean() < 0
        and p_value(Outcomes.of(-difference[rows], None if together is None else together[rows]), worst) <= limit
    ]
    figures = {"slices": len(slices), "errors": errors, "too_small": len(slices) - len(testable)}
    if worse:
        return Check("slices", False, "worse_slices", {**figures, "worse": ", ".join(worse)})
    return Check("slices", True, "no_worse_slice", figures)


def _bounds(config: Config, challenger: Bundle, test: Split) -> list[Check]:
    latency, megabytes = latency_ms(challenger, test.inputs), challenger.model_bytes / 1e6
    max_latency, max_megabytes = config.gate.max_latency_ms, config.gate.max_model_mb
    return [
        Check("latency", latency <= max_latency, "latency", {"ms": latency, "limit": max_latency}),
        Check("size", megabytes <= max_megabytes, "size", {"megabytes": megabytes, "limit": max_megabytes}),
    ]


def _fields(bundle: Bundle) -> dict[str, tuple[str, int]]:
    return {field.name: (field.kind, field.width) for field in bundle.manifest.inputs}


def _other_fields(champion: Bundle, challenger: Bundle) -> Check:
    old, new = _fields(champion), _fields(challenger)
    changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return Check("fields", False, "other_fields", {"changed": ", ".join(changed)})
