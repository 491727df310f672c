"""What is answered: the model's outputs in words, who decides, and what that is expected to save."""

from __future__ import annotations

from typing import Any

import numpy as np

from portfolio.bundle import Array, Manifest

MACHINE, PERSON = "machine", "person"


class Decisions:
    """Of each row, whether the machine decides, bool [rows], and what that is expected to save in yen, [rows]."""

    __slots__ = ("by_machine", "expected_yen")

    def __init__(self, manifest: Manifest, outputs: Array) -> None:
        policy = manifest.policy
        # A bundle without a policy answers everything, and nobody knows what that is worth.
        self.by_machine: list[bool] = [True] * len(outputs) if policy is None else policy.by_machine(outputs).tolist()
        self.expected_yen: list[float] | None = None if policy is None else policy.expected_yen(outputs).tolist()

    def names(self) -> list[str]:
        return [MACHINE if by_machine else PERSON for by_machine in self.by_machine]


def answer_rows(manifest: Manifest, outputs: Array, decisions: Decisions) -> list[dict[str, Any]]:
    """One JSON object a row, for outputs [rows, classes] or [rows, 1]."""
    output = manifest.output
    if output.task == "regression":
        answers: list[dict[str, Any]] = [{"value": value, "unit": output.unit} for value in outputs[:, 0].tolist()]
    else:
        classes = output.classes
        answers = [
            {"class": classes[best], "probabilities": dict(zip(classes, row, strict=True))}
            for best, row in zip(outputs.argmax(axis=1).tolist(), outputs.tolist(), strict=True)
        ]
    expected = decisions.expected_yen
    for number, (answer, decision) in enumerate(zip(answers, decisions.names(), strict=True)):
        answer["decision"] = decision
        if expected is not None:
            answer["expected_yen"] = round(expected[number], 4)
    return answers


def is_right(manifest: Manifest, outputs: Array, row: int, label: str | float) -> bool | None:
    """Whether a row's answer was the label; None where answers are values, which are never exactly right."""
    if manifest.output.task == "regression":
        return None
    return bool(manifest.output.classes[int(np.argmax(outputs[row]))] == label)
