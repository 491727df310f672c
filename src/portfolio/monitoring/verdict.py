"""The verdict on one window, with its reasons. Only harm asks for retraining: drift alone does not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from portfolio.bundle.manifest import Manifest, Promise
from portfolio.bundle.summaries import DATE
from portfolio.core.dates import iso_date
from portfolio.monitoring import drift, estimate, harm
from portfolio.monitoring.inflow import OUTPUT, Inflow
from portfolio.monitoring.looks import Reason, Verdict

# The chance that any field is said to lie outside its support though nothing has changed, and the share from which that
# is told.
OUTSIDE_ALPHA = 0.005
OUTSIDE_SHARE = 0.01
# How many requests without an answer are told, and from what share on.
LEAST_UNANSWERED, UNANSWERED_SHARE = 10, 0.01
MOST_TOLD = 5
# From so many on, what labels say of the value is told rather than the estimate.
LEAST_LABELS = 20


def conclude(
    manifest: Manifest, promise: Promise, inflow: Inflow, figures: dict[str, Any]
) -> tuple[Verdict, tuple[Reason, ...]]:
    """From what was measured, `figures`."""
    harms = list(_harms(manifest, promise, inflow, figures))
    is_short = inflow.rows < estimate.LEAST_ROWS
    warnings = [*_unanswered(inflow), *([] if is_short else _warnings(manifest, promise, inflow, figures))]
    if harms:
        return "harmful", (*harms, *warnings)
    if warnings:
        return "warn", tuple(warnings)
    if is_short:
        return "insufficient_data", (Reason("few_rows", {"rows": inflow.rows, "least": estimate.LEAST_ROWS}),)
    return "healthy", (_as_promised(figures),)


def _harms(manifest: Manifest, promise: Promise, inflow: Inflow, figures: dict[str, Any]) -> Iterator[Reason]:
    found = figures["harm"]
    if found["seen"]:
        yield Reason("errors_cost_more", _numbers(found))
        if _estimate_stands(manifest, promise, inflow):
            yield Reason("model_does_not_know")
    told = [one for one in found["slices"] if one["seen"]][:MOST_TOLD]
    yield from (Reason("slice_costs_more", _numbers(one)) for one in told)
    if manifest.policy is None:
        return
    lost = harm.lost_by_checks(manifest, promise, inflow)
    if found["people"]["seen"] and lost > harm.SMALLEST_LOSS * manifest.policy.prices.by_hand_yen:
        shares = {"share": 1 - figures["machine_share"], "promised_share": 1 - promise.machine_share}
        yield Reason("people_decide_more", {**shares, **_worth(promise, promise.value_yen - lost)})
    gap, errors = estimate.errors_below(inflow, promise)
    is_large = gap > estimate.HARM_SHARE * manifest.policy.prices.by_hand_yen and errors > estimate.HARM_ERRORS
    if is_large and figures["yen_per_1000"]["estimated"]["trusted"]:
        yield Reason("estimate_is_harm", _below_expected(promise, gap))


def _warnings(manifest: Manifest, promise: Promise, inflow: Inflow, figures: dict[str, Any]) -> Iterator[Reason]:
    yield from _estimated(manifest, promise, inflow)
    yield from _outside(inflow)
    yield from _drifted(figures)


def _estimated(manifest: Manifest, promise: Promise, inflow: Inflow) -> Iterator[Reason]:
    if manifest.policy is None:
        return
    gap, errors = estimate.errors_below(inflow, promise)
    if gap > estimate.WARN_SHARE * manifest.policy.prices.by_hand_yen and errors > estimate.WARN_ERRORS:
        yield Reason("estimate_below", _below_expected(promise, gap))
    if estimate.is_strange(inflow):
        yield Reason("outside_support", {"rows": inflow.strange, "of": inflow.rows})


def _unanswered(inflow: Inflow) -> Iterator[Reason]:
    """What got no answer: refused because of the client, or failed because of the server."""
    of = inflow.requests + inflow.unanswered.total()
    for kind, statuses in (("refused", range(400, 500)), ("failed", range(500, 600))):
        found = Counter({why: count for why, count in inflow.unanswered.items() if why.status in statuses})
        requests = found.total()
        if requests < max(LEAST_UNANSWERED, UNANSWERED_SHARE * of):
            continue
        ((why, most),) = found.most_common(1)
        figures = {"requests": requests, "of": of, "share": requests / of, "most": most, **why._asdict()}
        yield Reason(f"{kind}_field" if why.field else kind, figures)


def _estimate_stands(manifest: Manifest, promise: Promise, inflow: Inflow) -> bool:
    """Whether the model still expects of itself what it did: then it is the truth that has changed."""
    if inflow.rows < estimate.LEAST_ROWS:
        return False
    return not any(reason.finding == "estimate_below" for reason in _estimated(manifest, promise, inflow))


def _outside(inflow: Inflow) -> Iterator[Reason]:
    limit = OUTSIDE_ALPHA / max(len(inflow.tallies), 1)
    for (field, summary), tally in inflow.tallies.items():
        ends = 1 if tally.reference.categories else 2
        if tally.rows == 0 or tally.outside < OUTSIDE_SHARE * tally.rows:
            continue
        if drift.beyond(tally.outside, tally.rows, tally.reference.rows, ends) <= limit:
            kind = "unseen" if tally.reference.categories else "outside"
            named = {"field": field, "summary": summary, "low": tally.reference.low, "high": tally.reference.high}
            if summary == DATE:
                kind = "outside_dates"
                named |= {end: iso_date(round(days)) for end, days in named.items() if isinstance(days, float)}
            yield Reason(kind, {**named, "rows": tally.outside, "of": tally.rows})


def _drifted(figures: dict[str, Any]) -> Iterator[Reason]:
    drifted = [one for one in figures["drift"] if one["drifted"]]
    for one in drifted[:MOST_TOLD]:
        kind = "output" if one["field"] == OUTPUT else "input"
        what = "share_moved" if one["of"] != "median" else "date_moved" if one["summary"] == DATE else "moved"
        yield Reason(f"{kind}_{what}", dict(one))
    if len(drifted) > MOST_TOLD:
        yield Reason("more_moved", {"more": len(drifted) - MOST_TOLD})


def _as_promised(figures: dict[str, Any]) -> Reason:
    yen, labels = figures["yen_per_1000"], figures["harm"]["labels"]
    seen = yen["seen"]
    # A single label says next to nothing.
    if seen is not None and yen["estimated"] is not None and seen["labels"] < LEAST_LABELS:
        seen = None
    live = seen or yen["estimated"]
    if live is None:
        return Reason("as_promised_labels", {"labels": labels})
    numbers = {"promised": yen["promised"], "expected": yen["expected"], **live}
    return Reason("as_promised_seen" if seen else "as_promised_estimated", numbers | {"labels": labels})


def _numbers(found: dict[str, Any]) -> dict[str, Any]:
    names = ("slice", "labels", "mean_yen", "limit_yen", "evidence", "threshold")
    return {name: found[name] for name in names if name in found}


def _worth(promise: Promise, yen: float) -> dict[str, Any]:
    lost = promise.value_yen - yen
    return {"yen": 1000 * yen, "promised": 1000 * promise.value_yen, "lost": 1000 * lost if math.isfinite(lost) else 0}


def _below_expected(promise: Promise, gap: float) -> dict[str, Any]:
    """The model's estimate beside its own of the test rows: what their labels said may differ from both."""
    expected = promise.expected_yen
    return {"yen": 1000 * (expected - gap), "expected": 1000 * expected, "lost": 1000 * gap}
