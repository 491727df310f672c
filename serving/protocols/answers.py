"""What is answered: the model's outputs by class or value, who decides, and what that is expected to save."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from math import isfinite
from random import random
from typing import Any

import numpy as np

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.policy import INTERVAL_LEVEL, MACHINE, PERSON, interval_ratio, saved
from portfolio.core.types import Array
from serving.errors import RequestError

# Up to so many, plain Python is faster than NumPy.
FEW_ROWS = 16
YEN_DIGITS = 4


class Decisions:
    """The outputs of each row, and who decides."""

    answers: list[int]
    asked: list[float]
    """By row, the probability with which its true label was asked for; 0 if it was not."""
    audited: list[int]
    """The rows that the machine answered, and a person is asked about all the same."""
    certainties: list[float]
    by_machine: list[bool]
    __slots__ = (
        "answers",
        "asked",
        "audited",
        "by_machine",
        "certainties",
        "expected_yen",
        "intervals",
        "rows",
        "unseen",
    )

    def __init__(
        self,
        bundle: Bundle,
        outputs: Array,
        unseen: dict[int, dict[str, str]] | None = None,
        *,
        unseen_to_person: bool = True,
        may_audit: bool = True,
    ) -> None:
        """For outputs [rows, outputs]. Raises RequestError if they are not finite.

        `unseen` are the categories by field that training never saw, by row: nobody has measured how good the model is
        there, so a person decides. `may_audit`: whether the answer takes a true label at all.
        """
        self.rows: list[list[float]] = outputs.tolist()
        is_few = len(self.rows) <= FEW_ROWS
        if not (all(map(isfinite, map(sum, self.rows))) if is_few else np.isfinite(outputs).all()):
            raise RequestError(422, "no_finite_answer", "The model has no finite answer for these inputs.")
        manifest, decider = bundle.manifest, bundle.decider
        policy = manifest.policy
        # Without a policy there is no saying what an answer is worth.
        self.expected_yen: list[float] | None = None
        if is_few:
            columns: Iterable[Any] = map(list, zip(*map(decider.row, self.rows), strict=True))
            self.answers, self.certainties, error_yen, self.by_machine = columns
            if policy is not None:
                self.expected_yen = list(map(saved, repeat(policy.prices), self.by_machine, error_yen))
        else:
            decided = decider(outputs)
            self.answers, self.certainties, _, self.by_machine = (column.tolist() for column in decided)
            if policy is not None:
                self.expected_yen = saved(policy.prices, decided.by_machine, decided.error_yen).tolist()
        self.unseen = unseen or {}
        for place in self.unseen if unseen_to_person else ():
            self.by_machine[place] = False
            if policy is not None and self.expected_yen is not None:
                self.expected_yen[place] = policy.prices.by_hand_yen - policy.prices.check_yen
        share = 0.0 if policy is None else policy.audit_share
        # A person's rows are asked about anyway; of the machine's a random share, so that its errors are seen too.
        self.audited = []
        if share and may_audit:
            self.audited = [row for row, by_machine in enumerate(self.by_machine) if by_machine and random() < share]
        self.asked = [0.0 if by_machine else 1.0 for by_machine in self.by_machine]
        for row in self.audited:
            self.asked[row] = share
        self.intervals: list[list[float]] | None = None
        if manifest.error_ratios:
            ratio = interval_ratio(manifest.error_ratios)
            low, high = manifest.output.bounds
            self.intervals = [
                [max(value - ratio * scale, min(low, value)), min(value + ratio * scale, max(high, value))]
                for value, scale in self.rows
            ]

    def names(self) -> list[str]:
        return [MACHINE if by_machine else PERSON for by_machine in self.by_machine]


def answer_rows(bundle: Bundle, decisions: Decisions) -> list[dict[str, Any]]:
    """One JSON object a row."""
    output = bundle.manifest.output
    names = decisions.names()
    if output.task == "regression":
        answers: list[dict[str, Any]] = [{"value": row[0], "unit": output.unit} for row in decisions.rows]
        if decisions.intervals is not None:
            for answer, (low, high) in zip(answers, decisions.intervals, strict=True):
                answer["interval"] = {"low": low, "high": high, "level": INTERVAL_LEVEL}
        for answer, name in zip(answers, names, strict=True):
            answer["decision"] = name
    else:
        classes = output.classes
        by_class = map(dict, map(zip, repeat(classes), decisions.rows))
        answers = [
            {"class": classes[answered], "probabilities": probabilities, "decision": name}
            for answered, probabilities, name in zip(decisions.answers, by_class, names, strict=True)
        ]
    if decisions.expected_yen is not None:
        for answer, yen in zip(answers, _rounded(decisions.expected_yen), strict=True):
            answer["expected_yen"] = yen
    for row in decisions.audited:
        answers[row]["audit"] = True
    for row, fields in decisions.unseen.items():
        answers[row]["unseen"] = fields
    return answers


def _rounded(yen: list[float]) -> list[float]:
    rounded: list[float]
    rounded = [round(one, YEN_DIGITS) for one in yen] if len(yen) <= FEW_ROWS else np.round(yen, YEN_DIGITS).tolist()
    return rounded
