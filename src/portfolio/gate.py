"""The gate: may the challenger take the champion's place? Both are run as bundles on the same test rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from portfolio.bootstrap import CONFIDENCE, interval, resampled_means
from portfolio.bundle import Array, Bundle
from portfolio.config import Config
from portfolio.dataset import Split, load_split
from portfolio.use_case import UseCase
from portfolio.value import saved

# A slice with fewer rows says nothing about the next ones.
MIN_SLICE_ROWS = 20


@dataclass(frozen=True)
class Check:
    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Verdict:
    promoted: bool
    reason: str
    checks: list[Check] = field(default_factory=list)

    @classmethod
    def of(cls, checks: list[Check]) -> Verdict:
        """Promoted if every check passed. The reason is the first check's figures, or what failed."""
        failed = [check for check in checks if not check.passed]
        return cls(not failed, "; ".join(check.detail for check in failed or checks[:1]), checks)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def judge(use_case: UseCase, config: Config, champion: Bundle | None, challenger: Bundle) -> Verdict:
    """Compare by value, and by what must not get worse. Without a champion, compare with doing all by hand."""
    if champion is not None and _fields(champion) != _fields(challenger):
        return Verdict.of([_other_fields(champion, challenger)])
    test = load_split(use_case, "test")
    answers = challenger.predict(test.inputs)
    infinite = int((~np.isfinite(answers)).any(axis=1).sum())
    if infinite:
        detail = f"it gives no finite answer to {infinite:,} of {len(test):,} test rows"
        return Verdict.of([Check("finite answers", False, detail)])
    new = value_by_row(use_case, config, challenger, test.targets, answers)
    old = np.zeros(len(test))
    if champion is not None:
        old = value_by_row(use_case, config, champion, test.targets, champion.predict(test.inputs))
    against = "doing all by hand" if champion is None else "the champion"
    checks = [_worth(new - old, against), Check("finite answers", True, "every answer is finite")]
    if champion is not None:
        checks.append(_slices(use_case, test, new - old))
    return Verdict.of([*checks, *_bounds(config, challenger, test)])


def value_by_row(use_case: UseCase, config: Config, bundle: Bundle, targets: Array, predictions: Array) -> Array:
    """Yen saved by each answer, [rows], under the bundle's own policy. A bundle without one answers everything."""
    policy = bundle.manifest.policy
    by_machine = np.ones(len(targets), dtype=bool) if policy is None else policy.by_machine(predictions)
    return saved(config.value.prices, by_machine, use_case.wrong(targets, predictions, config.value))


def _worth(difference: Array, against: str) -> Check:
    low, high = interval(resampled_means(difference[:, None])[:, 0])
    per_1000 = f"{1000 * difference.mean():+,.0f} yen per 1,000 items ({1000 * low:+,.0f} to {1000 * high:+,.0f})"
    better = low > 0
    detail = f"{per_1000} against {against} on {len(difference):,} test rows: "
    return Check("value", better, detail + ("better" if better else "not better by more than noise"))


def _slices(use_case: UseCase, test: Split, difference: Array) -> Check:
    """Whether any slice is worse by more than noise; the more slices, the surer one must be (Bonferroni)."""
    slices = []
    for by, column in use_case.slices(test.rows).items():
        labels = column.cast(str).to_numpy()
        slices += [(f"{by} {label}", labels == label) for label in np.unique(labels)]
    slices = [(name, rows) for name, rows in slices if rows.sum() >= MIN_SLICE_ROWS]
    worse = []
    for name, rows in slices:
        part = difference[rows]
        if part.mean() < 0:
            _, high = interval(resampled_means(part[:, None])[:, 0], 1 - (1 - CONFIDENCE) / len(slices))
            if high < 0:
                worse.append(f"{name} ({1000 * part.mean():+,.0f} yen per 1,000)")
    if worse:
        return Check("slices", False, f"it is worse on {', '.join(worse)}")
    return Check("slices", True, f"none of {len(slices)} slices is worse")


def _bounds(config: Config, challenger: Bundle, test: Split) -> list[Check]:
    latency, megabytes = challenger.latency_ms(test.inputs), challenger.model_bytes / 1e6
    limits = config.gate
    return [
        Check(
            "latency",
            latency <= limits.max_latency_ms,
            f"one row takes {latency:.2f} ms, and {limits.max_latency_ms:g} ms are allowed",
        ),
        Check(
            "size",
            megabytes <= limits.max_model_mb,
            f"the model has {megabytes:.2f} MB, and {limits.max_model_mb:g} MB are allowed",
        ),
    ]


def _fields(bundle: Bundle) -> dict[str, tuple[str, int]]:
    return {field.name: (field.kind, field.width) for field in bundle.manifest.inputs}


def _other_fields(champion: Bundle, challenger: Bundle) -> Check:
    old, new = _fields(champion), _fields(challenger)
    changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    detail = (
        f"its fields are not the champion's ({', '.join(changed)} differ), so who calls the server would have to "
        "change: promote it by hand (--force) once they have"
    )
    return Check("fields", False, detail)
