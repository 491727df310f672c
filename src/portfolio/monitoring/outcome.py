"""What is seen of a window from true labels: what the machine's own answers cost, and how many answers were right.

Which labels come back must not depend on what they say. Those that were asked for are a random share of the machine's
answers, and all of a person's; others are counted and left out, since people tell of what they noticed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np
import orjson
import polars as pl

from portfolio.bundle.manifest import Manifest
from portfolio.core.hashing import uniform
from portfolio.core.types import Array
from portfolio.evaluation.value import error_yen, is_right
from portfolio.monitoring.answered import answered
from portfolio.monitoring.prediction_log.labels import in_utc
from portfolio.monitoring.prediction_log.tables import Row

MISSING = "(missing)"


@dataclass
class Costs:
    """Of audited answers, each drawn with the same probability: how many cost so many yen."""

    whole: Counter[float] = field(default_factory=Counter)
    by_slice: dict[tuple[str, str], Counter[float]] = field(default_factory=dict)


@dataclass
class Outcome:
    """Labels of one bundle's answers, added up in the order in which they came."""

    manifest: Manifest
    looked: Sequence[datetime] = ()
    """When looks at labels that are counted again have ended, in order."""
    labels: int = 0
    unasked: int = 0
    costs: dict[tuple[int, date], Costs] = field(default_factory=dict)
    """Of each look, and of each day in it: what is over is only seen where what came later is held against it."""
    right: dict[bool, list[int]] = field(default_factory=lambda: {True: [0, 0], False: [0, 0]})
    """By whether the machine decided: how many answers were right, and of how many."""

    @property
    def audited(self) -> int:
        return self.costs_together().total()

    def costs_together(self) -> Counter[float]:
        return sum((costs.whole for costs in self.costs.values()), Counter())

    def add(self, rows: Sequence[Row]) -> None:
        """Labels, each with its answer's columns as `request`."""
        kept, places, asked = self._asked(rows)
        if not kept:
            return
        found = answered(self.manifest, [_only(row, place) for row, place in zip(kept, places, strict=True)])
        targets = self._targets(kept)
        output, policy = self.manifest.output, self.manifest.policy
        lost = np.zeros(len(kept))
        if policy is not None:
            lost = error_yen(output, policy, targets, found.outputs, found.decisions.answers)
        right = is_right(output, policy, targets, found.outputs, found.decisions.answers)
        by_machine = found.decisions.by_machine
        for machine in (True, False):
            of = by_machine == machine
            self.right[machine][0] += int(np.count_nonzero(right & of))
            self.right[machine][1] += int(np.count_nonzero(of))
        share = 1.0 if policy is None or not policy.audit_share else policy.audit_share
        groups = self._groups(found.inputs, kept)
        # Where a row was likelier to be asked about than others were, it is left out as often.
        keys = pl.DataFrame({name: [row[name] for row in kept] for name in ("request_id", "row")})
        drawn = uniform(keys, salt="audit") < share / np.array(asked)
        for place in np.flatnonzero(by_machine & drawn):
            cost, received_at = float(lost[place]), in_utc(kept[place]["received_at"])
            part = bisect_right(self.looked, received_at), received_at.date()
            costs = self.costs.setdefault(part, Costs())
            costs.whole[cost] += 1
            for by, labels in groups.items():
                costs.by_slice.setdefault((by, labels[place]), Counter())[cost] += 1

    def _asked(self, rows: Sequence[Row]) -> tuple[list[Row], list[int], list[float]]:
        """The labels that were asked for, their rows' places in their requests, and with what probability."""
        kept, places, asked = [], [], []
        probabilities: dict[str, list[float]] = {}
        classes = self.manifest.output.classes
        self.labels += len(rows)
        for row in rows:
            request = row["request"]
            if row["request_id"] not in probabilities:
                probabilities[row["request_id"]] = orjson.loads(request["asked"] or "[]")
            of_request = probabilities[row["request_id"]]
            probability = of_request[row["row"]] if row["row"] < len(of_request) else 0
            # A label is unknown where the server had no bundle to judge it by.
            if not probability or (classes and orjson.loads(row["label"]) not in classes):
                self.unasked += 1
                continue
            kept.append(row)
            places.append(row["row"])
            asked.append(probability)
        return kept, places, asked

    def _targets(self, rows: Sequence[Row]) -> Array:
        labels = [orjson.loads(row["label"]) for row in rows]
        if self.manifest.output.task == "regression":
            return np.array(labels, dtype=np.float64)
        numbers = {name: number for number, name in enumerate(self.manifest.output.classes)}
        return np.array([numbers[label] for label in labels], dtype=np.int64)

    def _groups(self, inputs: dict[str, Array], rows: Sequence[Row]) -> dict[str, list[str]]:
        """By way of grouping that the promise knows, the slice of each row."""
        promise, output = self.manifest.promise, self.manifest.output
        found: dict[str, list[str]] = {}
        for by in () if promise is None else promise.by_slice:
            if by == output.name:
                found[by] = [str(orjson.loads(row["label"])) for row in rows]
            elif by in inputs:
                found[by] = [_slice(value) for value in inputs[by][:, 0]]
        return found


def _only(label: Row, place: int) -> Row:
    """The one row of a request that a label is of, as a request of its own."""
    request = label["request"]
    if "parsed" not in request:
        request["parsed"] = {name: orjson.loads(request[name]) for name in ("inputs", "outputs", "by_machine")}
    parsed = request["parsed"]
    one = {name: [column[place]] for name, column in parsed["inputs"].items()}
    columns = {"inputs": one, "outputs": [parsed["outputs"][place]], "by_machine": [parsed["by_machine"][place]]}
    return {name: orjson.dumps(column).decode() for name, column in columns.items()}


def _slice(value: object) -> str:
    """As `UseCase.groups` names it. A number keeps its type: in single precision, 0.1 is written as in double."""
    return MISSING if value in ("", None) or value != value else str(value)
