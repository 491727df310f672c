"""Harm seen: what labels say of the machine's own answers, as a whole and by slice, beside what was promised.

What a person decides costs a check, whatever the truth is. So there are two things to learn: what the machine's answers
cost, which audited rows tell, and how many rows it leaves to people, which every row tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from portfolio.bundle.manifest import Manifest, Promise
from portfolio.evaluation.statistics import Outcomes, mean_interval
from portfolio.monitoring import evidence
from portfolio.monitoring.estimate import LEAST_ROWS
from portfolio.monitoring.inflow import Inflow
from portfolio.monitoring.outcome import Outcome

# The chance that harm is ever said to be seen though every answer costs what was promised: one part for the whole, one
# for all slices, one for the rows that people decide.
ALPHA = 0.01
SLICES_ALPHA = 0.005
SHARE_ALPHA = 0.005
# How sure it is that the promised cost is no larger than the limit that is held against the labels. Where it is larger
# after all, enough labels find that: so it is no less sure than a year without a false alarm is to be. python -m
# bench.monitor measures what both come to.
LIMIT_CONFIDENCE = 0.99
# Of the cost by hand, how much must be lost by checks alone.
SMALLEST_LOSS = 0.05
# Harm is over once so many answers have cost no more than the limit on average while the evidence did not grow. By
# itself it would say so only when it has all been lost again, which takes the longer the worse the harm was.
CALM_ANSWERS = 100
# How many of the labels of before count in what is told of late, beside those of a window.
REMEMBERED = 50

State = dict[str, Any]
WHOLE = "whole"
LABELS = "labels"
"""Of a state: what labels have said so far, the whole and by slice."""
# The highest evidence so far, and how many answers came since, with their loss.
NO_CALM: State = {"peak": 1.0, "calm": 0, "calm_loss": 0.0}


def limit(costs: Mapping[float, int], worst: float, confidence: float = LIMIT_CONFIDENCE) -> float:
    """An upper limit for the mean of losses, as shares of the worst, of which so many were seen of each cost."""
    losses = np.array([[cost / worst, count] for cost, count in costs.items() if count])
    if not len(losses):
        return 1.0
    outcomes = Outcomes(losses[:, 0], np.ones(len(losses)), losses[:, 1].astype(np.int64))
    return mean_interval(outcomes, 0.0, 1.0, 2 * confidence - 1)[1]


def seen(manifest: Manifest, promise: Promise, inflow: Inflow, outcome: Outcome, state: State) -> tuple[State, State]:
    """The figures of `harm`, and the state that the next look goes on from. `state` does not know of the labels yet."""
    worst = 0.0 if manifest.policy is None else manifest.policy.prices.highest_error_yen
    groups = list(_slices(promise))
    alphas = {WHOLE: ALPHA} | {_name(*group): SLICES_ALPHA / len(groups) for group, _ in groups}
    promised = {WHOLE: dict(promise.errors)} | {_name(*group): costs for group, costs in groups}
    live = [
        {WHOLE: costs.whole} | {_name(*group): of for group, of in costs.by_slice.items()}
        for costs in outcome.costs.values()
    ]
    labelled: dict[str, Any] = {}
    for name, alpha in alphas.items() if worst else ():
        before = _known(state.get(LABELS, {}).get(name))
        parts = [costs[name] for costs in live if name in costs]
        if before is None and not parts:
            continue
        of = _Evidence(before or _begin(promised[name], worst, 1 - (1 - LIMIT_CONFIDENCE) * alpha / ALPHA))
        for costs in parts:
            of.add(costs, worst)
            of.end_if_over(alpha)
        labelled[name] = of.state
    found = [_told(name, one, alphas[name], worst) for name, one in labelled.items()]
    slices = [one for one in found if one["slice"] != WHOLE]
    whole = next((one for one in found if one["slice"] == WHOLE), {"evidence": 1.0, "labels": 0})
    share = _Evidence(_known(state.get("share")) or _begin(_shares(promise), 1.0, 1 - (1 - LIMIT_CONFIDENCE) / 2))
    people = inflow.rows - inflow.expected.by_machine
    # The rows of a shorter window come again in the next. Copies count as what they say of their own.
    if inflow.copies.independent >= LEAST_ROWS:
        machine, others = (round(inflow.new_share * rows) for rows in (inflow.expected.by_machine, people))
        share.add({0.0: machine, 1.0: others}, 1.0)
        share.end_if_over(SHARE_ALPHA)
    figures = {
        "evidence": whole["evidence"],
        "threshold": 1 / ALPHA,
        "labels": whole["labels"],
        "mean_yen": whole.get("mean_yen"),
        "limit_yen": whole.get("limit_yen"),
        "seen": whole["evidence"] >= 1 / ALPHA,
        "slices": sorted(slices, key=lambda one: -one["evidence"]),
        "people": {"evidence": share.total, "threshold": 1 / SHARE_ALPHA, "seen": share.total >= 1 / SHARE_ALPHA},
    }
    return figures, {LABELS: labelled, "share": share.state}


class _Evidence:
    """Evidence as it is kept from look to look."""

    def __init__(self, state: State) -> None:
        self.state = {"before": 0, **NO_CALM, **state}

    def add(self, costs: Mapping[float, int], worst: float) -> None:
        counts = np.array(list(costs.values()), dtype=np.int64)
        losses = np.array(list(costs), dtype=np.float64) / worst
        # Where the promise rests on no row, nothing can be worse.
        if self.state["limit"] < 1:
            money, seen = np.array(self.state["money"]), self._seen
            self.state["money"] = evidence.after(money, seen, self.state["limit"], losses, counts).tolist()
        self.state["count"] += int(counts.sum())
        # What came long before a change would hide it.
        kept = min(1.0, REMEMBERED / max(self.state["recent"], 1))
        self.state["recent"] = kept * self.state["recent"] + int(counts.sum())
        self.state["loss"] = kept * self.state["loss"] + float(losses @ counts)
        if self.total >= self.state["peak"]:
            self.state |= NO_CALM | {"peak": self.total}
        else:
            self.state["calm"] += int(counts.sum())
            self.state["calm_loss"] += float(losses @ counts)

    def end_if_over(self, alpha: float) -> None:
        """Begin anew where there was an alarm, and the evidence has not grown for a while of answers as promised."""
        calm = self.state["calm"]
        if self.total >= 1 / alpha and calm >= CALM_ANSWERS and self.state["calm_loss"] <= calm * self.state["limit"]:
            self.state |= NO_CALM | {"money": evidence.none_yet().tolist(), "before": self.state["count"]}

    @property
    def total(self) -> float:
        return float(evidence.total(np.array(self.state["money"]), self._seen))

    @property
    def _seen(self) -> int:
        """How many answers the evidence is of: those before an alarm that is over are not among them."""
        return int(self.state["count"] - self.state["before"])


def _known(state: State | None) -> State | None:
    """What the last look left; None if that is of a version of this project that made other bets."""
    return state if state and len(state["money"]) == len(evidence.BETS) else None


def _begin(costs: Mapping[float, int], worst: float, confidence: float) -> State:
    found = limit(costs, worst, confidence)
    return {"money": evidence.none_yet().tolist(), "limit": found, "count": 0, "recent": 0.0, "loss": 0.0}


def _told(name: str, state: State, alpha: float, worst: float) -> dict[str, Any]:
    total = _Evidence(state).total
    return {
        "slice": name,
        "evidence": total,
        "threshold": 1 / alpha,
        "seen": total >= 1 / alpha,
        "labels": state["count"],
        "mean_yen": worst * state["loss"] / max(state["recent"], 1),
        "limit_yen": worst * state["limit"],
    }


def _slices(promise: Promise) -> Iterator[tuple[tuple[str, str], dict[float, int]]]:
    for by, slices in promise.by_slice.items():
        for label, costs in slices.items():
            yield (by, label), dict(costs)


def _name(by: str, label: str) -> str:
    return f"{by} {label}"


def _shares(promise: Promise) -> dict[float, int]:
    machine = round(promise.machine_share * promise.rows)
    return {0.0: machine, 1.0: promise.rows - machine}


def lost_by_checks(manifest: Manifest, promise: Promise, inflow: Inflow) -> float:
    """Yen a row by which the window is worth less than was promised, even if the machine made no error at all."""
    if manifest.policy is None or inflow.rows == 0:
        return 0.0
    prices = manifest.policy.prices
    people = 1 - inflow.expected.by_machine / inflow.rows
    return float(promise.value_yen - (prices.by_hand_yen - people * prices.check_yen))


def live_yen(manifest: Manifest, inflow: Inflow, outcome: Outcome) -> dict[str, Any] | None:
    """The value per 1,000 rows of the window, from the labels that came in it; None without any."""
    if manifest.policy is None or not outcome.audited or not inflow.rows:
        return None
    prices = manifest.policy.prices
    worst, share = prices.highest_error_yen, inflow.expected.by_machine / inflow.rows
    costs = outcome.costs_together()
    losses = np.repeat(list(costs), list(costs.values()))
    low, high = mean_interval(Outcomes.of(losses), 0.0, worst)

    def value(lost: float) -> float:
        return float(1000 * (prices.by_hand_yen - (1 - share) * prices.check_yen - share * lost))

    return {"value": value(losses.mean()), "low": value(high), "high": value(low), "labels": outcome.audited}


def live_right(inflow: Inflow, outcome: Outcome, *, by_machine: bool) -> dict[str, Any] | None:
    """The share of right answers, of all or of the machine's own; each part weighted as there are rows of it."""
    share = 1.0 if by_machine or not inflow.rows else inflow.expected.by_machine / inflow.rows
    value, low, high, labels = 0.0, 0.0, 0.0, 0
    for machine, weight in ((True, share), (False, 1 - share)):
        right, of = outcome.right[machine]
        if weight == 0:
            continue
        if not of:
            return None
        ends = mean_interval(Outcomes.of(np.repeat([1.0, 0.0], [right, of - right])), 0.0, 1.0)
        value += weight * right / of
        low, high, labels = low + weight * ends[0], high + weight * ends[1], labels + of
    return {"value": value, "low": low, "high": high, "labels": labels}
