"""Live metrics: for Prometheus, and for the page's panel.

Plain numbers that only the event loop changes, and that are turned into Prometheus' format when it asks. Counting is
part of every request: it takes 1 µs this way, and 6 µs with the client library's counters, which are made for threads.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

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

from serving.protocols.answers import MACHINE, PERSON, Decisions

if TYPE_CHECKING:
    from serving.record.labels import Stored
    from serving.record.recorder import Recorder
    from serving.runtime.watcher import StoreWatcher

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
        bins = np.searchsorted(self._bounds, values)
        for number, count in zip(*np.unique(bins, return_counts=True), strict=True):
            self._counts[number] += int(count)
        self._sum += sum(values)

    def add_to(self, family: HistogramMetricFamily, labels: list[str]) -> None:
        names = [*(f"{bound:g}" for bound in self._bounds), "+Inf"]
        family.add_metric(labels, list(zip(names, accumulate(self._counts), strict=True)), self._sum)


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


class LiveMetrics(Collector):
    """The counters of one server since it started."""

    def __init__(self, watcher: StoreWatcher, recorder: Recorder) -> None:
        self._started = time.time()
        self._watcher = watcher
        self._recorder = recorder
        self._requests: Counter[tuple[str, int]] = Counter()
        self._latencies: dict[str, Distribution] = {}
        self._confidences = Distribution(CONFIDENCES)
        self._decisions = {MACHINE: 0, PERSON: 0}
        self._expected_yen = 0.0
        self._feedback: Counter[str] = Counter()
        self._labels = dict.fromkeys(VERDICTS.values(), 0)
        self._unseen: Counter[str] = Counter()
        self._shadowed = 0

    def request(self, path: str, status: int, seconds: float) -> None:
        self._requests[path, status] += 1
        latency = self._latencies.get(path)
        if latency is None:
            latency = self._latencies[path] = Distribution(SECONDS)
        latency.add(seconds)

    def predictions(self, task: str, decisions: Decisions) -> None:
        machine = sum(decisions.by_machine)
        self._decisions[MACHINE] += machine
        self._decisions[PERSON] += len(decisions.by_machine) - machine
        for fields in decisions.unseen.values():
            self._unseen.update(fields.keys())
        if decisions.expected_yen is not None:
            self._expected_yen += sum(decisions.expected_yen)
        if task == "classification":
            self._confidences.add_all(decisions.certainties)

    def label(self, stored: Stored) -> None:
        verdict = VERDICTS[stored.right]
        self._feedback[verdict if stored.outcome == "stored" else stored.outcome] += 1
        if stored.outcome == "unchanged":
            return
        self._labels[verdict] += 1
        replaced = stored.replaced
        if replaced is not None and replaced.received_at.timestamp() >= self._started:
            # Another server may have counted it.
            before = VERDICTS[replaced.right]
            self._labels[before] = max(0, self._labels[before] - 1)

    def refused_label(self, code: str) -> None:
        """`code` is that of the error."""
        self._feedback[code] += 1

    def shadowed(self) -> None:
        self._shadowed += 1

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        registry = CollectorRegistry()
        registry.register(self)
        return bytes(generate_latest(registry))

    def summary(self) -> Summary:
        return {
            "uptime_seconds": round(time.time() - self._started),
            "predictions": sum(self._decisions.values()),
            "by_machine": self._decisions[MACHINE],
            "expected_yen": round(self._expected_yen, 2),
            "feedback": sum(self._labels.values()),
            "feedback_right": self._labels["right"],
            "feedback_wrong": self._labels["wrong"],
            "log_queue": self._recorder.waiting,
            "log_dropped": self._recorder.dropped,
        }

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("portfolio_requests", "by path and status", labels=["path", "status"])
        for (path, status), count in self._requests.items():
            requests.add_metric([path, str(status)], count)
        latencies = HistogramMetricFamily("portfolio_latency_seconds", "from request to answer", labels=["path"])
        for path, distribution in self._latencies.items():
            distribution.add_to(latencies, [path])
        confidences = HistogramMetricFamily("portfolio_confidence", "the top probability of each prediction")
        self._confidences.add_to(confidences, [])
        decisions = CounterMetricFamily("portfolio_decisions", "predictions by who decides", labels=["by"])
        for by, count in self._decisions.items():
            decisions.add_metric([by], count)
        feedback = CounterMetricFamily("portfolio_feedback", "true labels by outcome", labels=["outcome"])
        for outcome, count in self._feedback.items():
            feedback.add_metric([outcome], count)
        labels = GaugeMetricFamily(
            "portfolio_labels", "true labels as corrected since, by what they say of the answer", labels=["answer"]
        )
        for verdict, count in self._labels.items():
            labels.add_metric([verdict], count)
        unseen = CounterMetricFamily(
            "portfolio_unseen_categories", "values that training never saw, by field", labels=["field"]
        )
        for field, count in self._unseen.items():
            unseen.add_metric([field], count)
        yield from (requests, latencies, confidences, decisions, feedback, labels, unseen)
        yield CounterMetricFamily("portfolio_shadowed", "requests that the shadow ran too", self._shadowed)
        yield CounterMetricFamily("portfolio_refusals", "bundles that were refused", self._watcher.refusals)
        yield CounterMetricFamily("portfolio_log_dropped", "records that were dropped", self._recorder.dropped)
        failing = "1 while the prediction log can't be written"
        yield GaugeMetricFamily("portfolio_log_failing", failing, self._recorder.failure is not None)
        oldest = "seconds from answer to disk: of the oldest record that waits, or else of the last batch"
        yield GaugeMetricFamily("portfolio_log_seconds_to_disk", oldest, self._recorder.seconds_to_disk)
        yield GaugeMetricFamily("portfolio_log_queue", "records waiting to be written", self._recorder.waiting)
        # A gauge, because an answer may also be expected to cost more than it saves.
        yield GaugeMetricFamily(
            "portfolio_expected_yen",
            "what the answers are expected to save compared with manual work",
            self._expected_yen,
        )
        model = InfoMetricFamily("portfolio_model", "the served model")
        if self._watcher.current is not None:
            model.add_metric([], {key: str(value) for key, value in self._watcher.current.name.items()})
        yield model
