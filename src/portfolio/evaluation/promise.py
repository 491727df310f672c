"""What the test rows promise of a bundle: the value, the costs of its errors, and how its answers are distributed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from portfolio.bundle.manifest import Outcomes, Output, Promise, Reference
from portfolio.bundle.policy import Decisions, Policy, saved
from portfolio.bundle.reference import of_categories, of_numbers
from portfolio.contract.config import Config
from portfolio.contract.use_case import BATCH, UseCase
from portfolio.core.types import Array
from portfolio.data.dataset import Split
from portfolio.evaluation.comparison import Evaluated
from portfolio.evaluation.value import error_yen


def promise(use_case: UseCase, config: Config, candidate: Evaluated, test: Split) -> Promise:
    """From a candidate's answers to the test rows, under the policy of its bundle."""
    decisions = candidate.decisions(candidate.test)
    groups = _groups(use_case, test.rows)
    return promised(use_case.output, config.value.policy, test.targets, candidate.test, decisions, groups)


def promised(
    output: Output,
    policy: Policy,
    targets: Array,
    predictions: Array,
    decisions: Decisions,
    groups: Mapping[str, Array] | None = None,
) -> Promise:
    """From answers and true targets; `groups` are ways to group the rows, each a text [rows], by name."""
    lost = error_yen(output, policy, targets, predictions, decisions.answers)
    machine = decisions.by_machine
    return Promise(
        rows=len(targets),
        value_yen=float(saved(policy.prices, machine, lost).mean()),
        expected_yen=float(saved(policy.prices, machine, decisions.error_yen).mean()),
        machine_share=float(machine.mean()),
        errors=_outcomes(lost[machine]),
        by_slice={
            by: {str(label): _outcomes(lost[machine & (column == label)]) for label in np.unique(column[machine])}
            for by, column in (groups or {}).items()
        },
        outputs=output_references(output, predictions, decisions),
    )


def output_references(output: Output, outputs: Array, decisions: Decisions) -> dict[str, Reference]:
    """The distributions of a model's answers. `outputs` are [rows, classes], or [rows, 2] with the value first."""
    found = output_summaries(output, outputs, decisions)
    return {
        name: of_categories(column, output.classes) if name == "answer" else of_numbers(column)
        for name, column in found.items()
    }


def output_summaries(output: Output, outputs: Array, decisions: Decisions) -> dict[str, Array]:
    """What a monitor watches of the answers, by name, [rows] each."""
    if output.task == "regression":
        return {"value": outputs[:, 0], "error_scale": outputs[:, 1]}
    answers = np.array(output.classes, dtype=object)[decisions.answers]
    return {"answer": answers, "certainty": decisions.certainty}


def _groups(use_case: UseCase, rows: pl.DataFrame) -> dict[str, Array]:
    """By what a request tells of a row, and by its true class. No batch that is served comes again."""
    told = {field.name for field in use_case.inputs} | {use_case.output.name}
    groups = use_case.groups(rows).items()
    return {by: column.to_numpy().astype(object) for by, column in groups if by in told and by != BATCH}


def _outcomes(lost: Array) -> Outcomes:
    values, counts = np.unique(lost, return_counts=True)
    return tuple(zip(values.tolist(), counts.tolist(), strict=True))
