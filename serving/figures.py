"""What is counted: for Prometheus, and for the page's live panel."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import HistogramMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.answers import MACHINE, PERSON, Decisions

if TYPE_CHECKING:
    from serving.champion import Champion
    from serving.recorder import Recorder

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
CONFIDENCE_BINS = 20


class Confidences(Collector):
    """A histogram of the top probabilities. Of its own, since a request may bring hundreds of rows at once."""

    def __init__(self) -> None:
        self._counts = [0] * CONFIDENCE_BINS
        self._sum = 0.0

    def add(self, top: list[float]) -> None:
        """The top probability of each row."""
        for probability in top:
            self._counts[min(int(probability * CONFIDENCE_BINS), CONFIDENCE_BINS - 1)] += 1
        self._sum += sum(top)

    def collect(self) -> Iterator[Metric]:
        counts = list(accumulate(self._counts))
        bounds = [f"{(number + 1) / CONFIDENCE_BINS:g}" for number in range(CONFIDENCE_BINS - 1)]
        buckets = [*zip(bounds, counts, strict=False), ("+Inf", counts[-1])]
        family = HistogramMetricFamily("portfolio_confidence", "the top probability of each prediction")
        family.add_metric([], buckets, self._sum)
        yield family


class Figures:
    """Counters and gauges of one server. `registry` is what Prometheus reads."""

    def __init__(self, champion: Champion, recorder: Recorder) -> None:
        self.registry = CollectorRegistry()
        self._started = time.time()
        self._champion = champion
        self._recorder = recorder
        self._requests: dict[tuple[str, int], Counter] = {}
        self._request_family = Counter(
            "portfolio_requests", "requests by path and status", ["path", "status"], registry=self.registry
        )
        self._latencies: dict[str, Histogram] = {}
        self._latency_family = Histogram(
            "portfolio_latency_seconds",
            "from the request to its answer",
            ["path"],
            buckets=SECONDS,
            registry=self.registry,
        )
        decisions = Counter("portfolio_decisions", "predictions by who decides", ["by"], registry=self.registry)
        self._by_machine, self._by_person = decisions.labels(MACHINE), decisions.labels(PERSON)
        # A gauge, because an answer may be expected to cost more than it saves.
        self._expected_yen = Gauge(
            "portfolio_expected_yen", "saved by all answers against doing all by hand", registry=self.registry
        )
        self._feedback = Counter("portfolio_feedback", "true labels by outcome", ["outcome"], registry=self.registry)
        self._shadowed = Counter("portfolio_shadowed", "requests that a challenger ran too", registry=self.registry)
        self.confidences = Confidences()
        self.registry.register(self.confidences)
        for name, about, read in (
            ("portfolio_log_queue", "records that wait to be written", lambda: recorder.waiting),
            ("portfolio_log_dropped", "records that were dropped", lambda: recorder.dropped),
            ("portfolio_refusals", "bundles that were refused", lambda: champion.refusals),
        ):
            Gauge(name, about, registry=self.registry).set_function(read)
        self.registry.register(_Served(champion))

    def request(self, path: str, status: int, seconds: float) -> None:
        counter = self._requests.get((path, status))
        if counter is None:
            counter = self._requests[path, status] = self._request_family.labels(path, str(status))
            self._latencies.setdefault(path, self._latency_family.labels(path))
        counter.inc()
        self._latencies[path].observe(seconds)

    def predictions(self, task: str, decisions: Decisions) -> None:
        machine = sum(decisions.by_machine)
        person = len(decisions.by_machine) - machine
        if machine:
            self._by_machine.inc(machine)
        if person:
            self._by_person.inc(person)
        if decisions.expected_yen is not None:
            self._expected_yen.inc(sum(decisions.expected_yen))
        if task == "classification":
            self.confidences.add(decisions.certainties)

    def feedback(self, outcome: str) -> None:
        self._feedback.labels(outcome).inc()

    def shadowed(self) -> None:
        self._shadowed.inc()

    def text(self) -> bytes:
        return bytes(generate_latest(self.registry))

    def live(self) -> dict[str, Any]:
        """The figures of the page's panel, since the server started."""
        found = {name: self._value("portfolio_feedback_total", outcome=name) for name in ("right", "wrong", "stored")}
        machine, person = (self._value("portfolio_decisions_total", by=name) for name in (MACHINE, PERSON))
        return {
            "uptime_seconds": round(time.time() - self._started),
            "predictions": machine + person,
            "by_machine": machine,
            "expected_yen": self._value("portfolio_expected_yen"),
            "feedback": sum(found.values()),
            "feedback_right": found["right"],
            "feedback_wrong": found["wrong"],
            "log_queue": self._recorder.waiting,
            "log_dropped": self._recorder.dropped,
        }

    def _value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


class _Served(Collector):
    def __init__(self, champion: Champion) -> None:
        self._champion = champion

    def collect(self) -> Iterator[Metric]:
        now = self._champion.current
        family = InfoMetricFamily("portfolio_model", "what is served")
        if now is not None:
            family.add_metric([], {key: str(value) for key, value in now.name.items()})
        yield family
