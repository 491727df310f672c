"""The gate: may the challenger take the champion's place? Both are run as bundles on the same test rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import yaml

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.latency import latency_ms
from portfolio.bundle.policy import saved
from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.core.types import Array
from portfolio.data.dataset import Split, load_split
from portfolio.evaluation.statistics import CONFIDENCE, interval, resampled_means

# A slice with fewer rows says nothing about the next ones.
MIN_SLICE_ROWS = 20


@cache
def read_findings() -> dict[str, dict[str, str]]:
    """The sentences by language and name."""
    texts: dict[str, dict[str, str]] = yaml.safe_load(
        Path(__file__).with_name("findings.yaml").read_text(encoding="utf-8")
    )
    return texts


@dataclass(frozen=True)
class Check:
    name: str
    passed: bool
    finding: str
    """Which sentence of findings.yaml says what was found, with these figures in it."""
    figures: dict[str, Any] = field(default_factory=dict)

    def told(self, language: str) -> str:
        return read_findings()[language][self.finding].format(**self.figures)


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


def judge(use_case: UseCase, config: Config, champion: Bundle | None, challenger: Bundle) -> Verdict:
    """Compare by value, and by what must not get worse. Without a champion, compare with doing all by hand."""
    if champion is not None and _fields(champion) != _fields(challenger):
        return Verdict([_other_fields(champion, challenger)])
    test = load_split(use_case, "test")
    answers = challenger.predict(test.inputs)
    infinite = int((~np.isfinite(answers)).any(axis=1).sum())
    if infinite:
        return Verdict([Check("finite answers", False, "not_finite", {"rows": infinite, "of": len(test)})])
    new = value_by_row(use_case, config, challenger, test.targets, answers)
    old = np.zeros(len(test))
    if champion is not None:
        old = value_by_row(use_case, config, champion, test.targets, champion.predict(test.inputs))
    checks = [_worth(new - old, first=champion is None), Check("finite answers", True, "finite")]
    if champion is not None:
        checks.append(_slices(use_case, test, new - old))
    return Verdict([*checks, *_bounds(config, challenger, test)])


def value_by_row(use_case: UseCase, config: Config, bundle: Bundle, targets: Array, predictions: Array) -> Array:
    """Yen saved by each answer, [rows], under the bundle's own policy. A bundle without one answers everything."""
    policy = bundle.manifest.policy
    by_machine = np.ones(len(targets), dtype=bool) if policy is None else policy.by_machine(predictions)
    return saved(config.value.prices, by_machine, use_case.wrong(targets, predictions, config.value))


def _worth(difference: Array, *, first: bool) -> Check:
    low, high = interval(resampled_means(difference[:, None])[:, 0])
    figures = {"rows": len(difference), "mean": 1000 * float(difference.mean())}
    figures |= {"low": 1000 * float(low), "high": 1000 * float(high)}
    better = bool(low > 0)
    return Check(
        "value", better, f"{'better' if better else 'not_better'}_than_{'hand' if first else 'champion'}", figures
    )


def _slices(use_case: UseCase, test: Split, difference: Array) -> Check:
    """Whether any slice is worse by more than noise; the more slices, the surer one must be (Bonferroni)."""
    slices = []
    for by, column in use_case.groups(test.rows).items():
        labels = column.to_numpy()
        slices += [(f"{by} {label}", labels == label) for label in np.unique(labels)]
    slices = [(name, rows) for name, rows in slices if rows.sum() >= MIN_SLICE_ROWS]
    worse = []
    for name, rows in slices:
        part = difference[rows]
        if part.mean() < 0:
            _, high = interval(resampled_means(part[:, None])[:, 0], 1 - (1 - CONFIDENCE) / len(slices))
            if high < 0:
                worse.append(f"{name} ({1000 * part.mean():+,.0f})")
    if worse:
        return Check("slices", False, "worse_slices", {"worse": ", ".join(worse)})
    return Check("slices", True, "no_worse_slice", {"slices": len(slices)})


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
