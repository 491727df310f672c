"""What the monitor found, as Prometheus has it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_args

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from portfolio.monitoring.looks import Look, Verdict
from portfolio.monitoring.timeline import drifted_fields
from serving.record.watch import Gauges

PREFIX = "portfolio_monitor"
# Of an interval.
ENDS = ("low", "high")


def monitor_metrics(gauges: Gauges) -> Iterator[Metric]:
    """Those of the newest look at the served model, if there is one, and how many labels are waited for."""
    yield GaugeMetricFamily(
        f"{PREFIX}_labels_waiting", "rows whose true label was asked for, counted up to 1,000", gauges.waiting
    )
    look = gauges.look
    if look is None:
        return
    verdict = GaugeMetricFamily(f"{PREFIX}_verdict", "1 for the verdict of the newest look", labels=["verdict"])
    for name in get_args(Verdict):
        verdict.add_metric([name], name == look.verdict)
    yield verdict
    age = (datetime.now(UTC) - look.looked_at).total_seconds()
    yield GaugeMetricFamily(f"{PREFIX}_look_age_seconds", "how long ago the newest look was", age)
    yield GaugeMetricFamily(f"{PREFIX}_rows", "answers in the window of the newest look", look.rows)
    yield GaugeMetricFamily(
        f"{PREFIX}_drifted_fields", "inputs and outputs whose distribution has moved", len(drifted_fields(look))
    )
    yield from _measured(look, "yen_per_1000", "value in yen per 1,000 items")
    yield from _measured(look, "quality", "share of right answers, or of values within the tolerance")
    harm = look.figures.get("harm") or {}
    if harm.get("threshold"):
        yield GaugeMetricFamily(
            f"{PREFIX}_harm_evidence",
            "evidence of harm from labels, as a share of what is needed to say so",
            float(harm.get("evidence", 0)) / float(harm["threshold"]),
        )


def _measured(look: Look, name: str, about: str) -> Iterator[Metric]:
    """A figure as it was promised, is estimated, and is seen; the last two with their intervals."""
    measured: dict[str, Any] = look.figures.get(name) or {}
    value = GaugeMetricFamily(f"{PREFIX}_{name}", f"{about}: promised, estimated, seen", labels=["kind"])
    if measured.get("promised") is not None:
        value.add_metric(["promised"], measured["promised"])
    ends = {end: GaugeMetricFamily(f"{PREFIX}_{name}_{end}", f"{about}: {end} end", labels=["kind"]) for end in ENDS}
    for kind in ("estimated", "seen"):
        found = measured.get(kind)
        if not found:
            continue
        value.add_metric([kind], found["value"])
        for end, family in ends.items():
            if found.get(end) is not None:
                family.add_metric([kind], found[end])
    yield value
    yield from ends.values()
