"""What a server has counted, and how it stands: for Prometheus, and for the page's panel."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from typing_extensions import TypedDict

from portfolio.bundle.policy import MACHINE, PERSON
from serving.record.gauges import monitor_metrics
from serving.record.watch import Gauges
from serving.runtime.served import ModelName

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CONFIDENCES = tuple(number / 20 for number in range(1, 20))

# Up to so many, plain Python is faster than NumPy.
FEW = 64

VERDICTS = {True: "right", False: "wrong", None: "stored"}
"""What a label says of its answer; of a predicted value, nothing."""


class Distribution:
    """Counts of values by bin; each bound belongs to the bin below it."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def add_all(self, values: list[float]) -> None:
        if len(values) <= FEW:
            for value in values:
                self.add(value)
            return
        found = np.bincount(np.searchsorted(self._bounds, values), minlength=len(self._counts))
        self._counts = [sum(both) for both in zip(self._counts, found.tolist(), strict=True)]
        self._sum += sum(values)

    def add_to(self, family: HistogramMetricFamily, labels: list[str]) -> None:
        names = [*(f"{bound:g}" for bound in self._bounds), "+Inf"]
        family.add_metric(labels, list(zip(names, accumulate(self._counts), strict=True)), self._sum)

    def merge(self, other: Distribution) -> None:
        self._counts = [sum(both) for both in zip(self._counts, other._counts, strict=True)]
        self._sum += other._sum


class Summary(TypedDict):
    """What the page's panel shows."""

    uptime_seconds: int
    predictions: int
    by_machine: int
    expected_yen: float
    feedback: int
    feedback_right: int
    feedback_wrong: int
    log_queue: int
    log_dropped: int


@dataclass
class Counts:
    """What has been counted since the server started."""

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By path and status."""
    latencies: dict[str, Distribution] = field(default_factory=dict)
    confidences: Distribution = field(default_factory=lambda: Distribution(CONFIDENCES))
    decisions: Counter[str] = field(default_factory=lambda: Counter({MACHINE: 0, PERSON: 0}))
    audited: int = 0
    expected_yen: float = 0.0
    feedback: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(VERDICTS.values(), 0)))
    """As corrected since. Below zero where another process counted the label that was corrected."""
    unseen: Counter[str] = field(default_factory=Counter)
    shadowed: int = 0
    log_dropped: int = 0
    refusals: int = 0

    def latency(self, path: str) -> Distribution:
        found = self.latencies.get(path)
        if found is None:
            found = self.latencies[path] = Distribution(SECONDS)
        return found

    def merge(self, other: Counts) -> None:
        """Add what another process has counted."""
        for name in ("requests", "decisions", "feedback", "labels", "unseen"):
            # Not by +, which would leave out what is zero or less.
            getattr(self, name).update(getattr(other, name))
        for path, distribution in other.latencies.items():
            self.latency(path).merge(distribution)
        self.confidences.merge(other.confidences)
        self.expected_yen += other.expected_yen
        self.audited += other.audited
        self.shadowed += other.shadowed
        self.log_dropped += other.log_dropped
        # Each process looks at the same store: what one refuses, the others refuse too.
        self.refusals = max(self.refusals, other.refusals)


@dataclass(frozen=True)
class Standing:
    """How a process stands at the moment."""

    model: ModelName | None
    refusal: str | None
    """Why what the store names is not served."""
    log_failure: str | None
    log_waiting: int
    log_seconds_to_disk: float


@dataclass(frozen=True, eq=False)
class Figures(Collector):
    """Those of the whole server: what its processes have counted, and how each stands."""

    started_at_seconds: float
    counts: Counts
    standings: Sequence[Standing]
    gauges: Gauges | None = None
    """What the monitor found. None if that can't be read."""

    @property
    def log_waiting(self) -> int:
        return sum(standing.log_waiting for standing in self.standings)

    @property
    def log_failure(self) -> str | None:
        return next((standing.log_failure for standing in self.standings if standing.log_failure), None)

    @property
    def refusal(self) -> str | None:
        return next((standing.refusal for standing in self.standings if standing.refusal), None)

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        registry = CollectorRegistry()
        registry.register(self)
        return bytes(generate_latest(registry))

    def summary(self) -> Summary:
        counts = self.counts
        labels = self._labels()
        return {
            "uptime_seconds": round(time.time() - self.started_at_seconds),
            "predictions": sum(counts.decisions.values()),
            "by_machine": counts.decisions[MACHINE],
            "expected_yen": round(counts.expected_yen, 2),
            "feedback": sum(labels.values()),
            "feedback_right": labels["right"],
            "feedback_wrong": labels["wrong"],
            "log_queue": self.log_waiting,
            "log_dropped": counts.log_dropped,
        }

    def _labels(self) -> dict[str, int]:
        return {verdict: max(0, count) for verdict, count in self.counts.labels.items()}

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("portfolio_requests", "by path and status", labels=["path", "status"])
        for (path, status), count in self.counts.requests.items():
            requests.add_metric([path, str(status)], count)
        latencies = HistogramMetricFamily("portfolio_latency_seconds", "from request to answer", labels=["path"])
        for path, distribution in self.counts.latencies.items():
            distribution.add_to(latencies, [path])
        confidences = HistogramMetricFamily("portfolio_confidence", "the top probability of each prediction")
        self.counts.confidences.add_to(confidences, [])
        decisions = CounterMetricFamily("portfolio_decisions", "predictions by who decides", labels=["by"])
        for by, count in self.counts.decisions.items():
            decisions.add_metric([by], count)
        feedback = CounterMetricFamily("portfolio_feedback", "true labels by outcome", labels=["outcome"])
        for outcome, count in self.counts.feedback.items():
            feedback.add_metric([outcome], count)
        labels = GaugeMetricFamily(
            "portfolio_labels", "true labels as corrected since, by what they say of the answer", labels=["answer"]
        )
        for verdict, count in self._labels().items():
            labels.add_metric([verdict], count)
        unseen = CounterMetricFamily(
            "portfolio_unseen_categories", "values that training never saw, by field", labels=["field"]
        )
        for name, count in self.counts.unseen.items():
            unseen.add_metric([name], count)
        yield from (requests, latencies, confidences, decisions, feedback, labels, unseen)
        yield CounterMetricFamily("portfolio_audited", "answers of the machine that are audited", self.counts.audited)
        yield CounterMetricFamily("portfolio_shadowed", "requests that the shadow ran too", self.counts.shadowed)
        yield CounterMetricFamily("portfolio_refusals", "bundles that were refused", self.counts.refusals)
        yield CounterMetricFamily("portfolio_log_dropped", "records that were dropped", self.counts.log_dropped)
        failing = "1 while the prediction log can't be written"
        yield GaugeMetricFamily("portfolio_log_failing", failing, self.log_failure is not None)
        oldest = "seconds from answer to disk: of the oldest record that waits, or else of the last batch"
        slowest = max(standing.log_seconds_to_disk for standing in self.standings)
        yield GaugeMetricFamily("portfolio_log_seconds_to_disk", oldest, slowest)
        yield GaugeMetricFamily("portfolio_log_queue", "records waiting to be written", self.log_waiting)
        # A gauge, because an answer may also be expected to cost more than it saves.
        yield GaugeMetricFamily(
            "portfolio_expected_yen",
            "what the answers are expected to save compared with manual work",
            self.counts.expected_yen,
        )
        model = InfoMetricFamily("portfolio_model", "the served model")
        # During a swap, some processes may still serve the one before.
        models = [standing.model for standing in self.standings if standing.model is not None]
        for served in {one["digest"]: one for one in models}.values():
            model.add_metric([], {key: str(value) for key, value in served.items()})
        yield model
        if self.gauges is not None:
            yield from monitor_metrics(self.gauges)
