"""What is answered: the model's outputs by class or value, who decides, and what that is expected to save."""

from __future__ import annotations

from math import isfinite
from typing import Any

from portfolio.bundle.manifest import Manifest
from portfolio.core.types import Array
from serving.errors import RequestError

MACHINE, PERSON = "machine", "person"


class Decisions:
    """The outputs of each row, and who decides. In plain Python, which is faster than NumPy for a few rows."""

    __slots__ = ("by_machine", "certainties", "expected_yen", "rows", "unseen")

    def __init__(
        self,
        manifest: Manifest,
        outputs: Array,
        unseen: dict[int, dict[str, str]] | None = None,
        *,
        unseen_to_person: bool = True,
    ) -> None:
        """For outputs [rows, classes] or [rows, 1]. Raises RequestError if they are not finite.

        `unseen` are the categories by field that training never saw, by row: nobody has measured how good the model is
        there, so a person decides.
        """
        self.rows: list[list[float]] = outputs.tolist()
        if not all(isfinite(sum(row)) for row in self.rows):
            raise RequestError(422, "no_finite_answer", "The model has no finite answer for these inputs.")
        regression = manifest.output.task == "regression"
        # The same as portfolio.bundle.policy.certainty: the larger a predicted value, the less certain it is.
        self.certainties = [-row[0] if regression else max(row) for row in self.rows]
        policy = manifest.policy
        # Without a policy the machine answers everything, and there is no saying what that is worth.
        decided = [(True, 0.0) if policy is None else policy.decide(certain) for certain in self.certainties]
        self.by_machine = [by_machine for by_machine, _ in decided]
        self.expected_yen = None if policy is None else [yen for _, yen in decided]
        self.unseen = unseen or {}
        for row in self.unseen if unseen_to_person else ():
            self.by_machine[row] = False
            if policy is not None and self.expected_yen is not None:
                self.expected_yen[row] = policy.prices.by_hand_yen - policy.prices.check_yen

    def names(self) -> list[str]:
        return [MACHINE if by_machine else PERSON for by_machine in self.by_machine]


def answer_rows(manifest: Manifest, decisions: Decisions) -> list[dict[str, Any]]:
    """One JSON object a row."""
    output = manifest.output
    if output.task == "regression":
        answers: list[dict[str, Any]] = [{"value": row[0], "unit": output.unit} for row in decisions.rows]
    else:
        classes = output.classes
        answers = [
            {"class": classes[row.index(top)], "probabilities": dict(zip(classes, row, strict=True))}
            for row, top in zip(decisions.rows, decisions.certainties, strict=True)
        ]
    for answer, name in zip(answers, decisions.names(), strict=True):
        answer["decision"] = name
    if decisions.expected_yen is not None:
        for answer, yen in zip(answers, decisions.expected_yen, strict=True):
            answer["expected_yen"] = round(yen, 4)
    for row, fields in decisions.unseen.items():
        answers[row]["unseen"] = fields
    return answers
