"""What the test rows promise of a bundle: the value, the costs of its errors, and how its answers are distributed."""

from __future__ import annotations

import numpy as np
import polars as pl

from portfolio.bundle.manifest import Outcomes, Output, Promise, Reference
from portfolio.bundle.policy import Decisions, saved
from portfolio.bundle.reference import of_categories, of_numbers
from portfolio.contract.config import Config
from portfolio.contract.use_case import BATCH, UseCase
from portfolio.core.types import Array
from portfolio.data.dataset import Split
from portfolio.evaluation.comparison import Evaluated
from portfolio.evaluation.value import error_yen, yen_by_row


def promise(use_case: UseCase, config: Config, candidate: Evaluated, test: Split) -> Promise:
    """From a candidate's answers to the test rows, under the policy of its bundle."""
    output, decisions = use_case.output, candidate.decisions(candidate.test)
    lost = error_yen(output, config.value, test.targets, candidate.test, decisions.answers)
    value = yen_by_row(output, config.value, test.targets, candidate.test, decisions)
    expected = saved(config.value.prices, decisions.by_machine, decisions.error_yen)
    by_machine = decisions.by_machine
    return Promise(
        rows=len(test),
        value_yen=float(value.mean()),
        expected_yen=float(expected.mean()),
        machine_share=float(by_machine.mean()),
        errors=outcomes(lost[by_machine]),
        by_slice=_by_slice(use_case, test.rows.filter(by_machine), lost[by_machine]),
        outputs=output_references(output, candidate.test, decisions),
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
        return {"value": _rounded(outputs[:, 0]), "error_scale": _rounded(outputs[:, 1])}
    answers = np.array(output.classes, dtype=object)[decisions.answers]
    return {"answer": answers, "certainty": _rounded(decisions.certainty)}


def _rounded(values: Array) -> Array:
    """To five significant digits: the same row may differ in the last bits of float32 in a run of other rows.

    Trees give few different values, so an edge of a bin is one that many rows have.
    """
    found = values.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 10.0 ** (4 - np.floor(np.log10(np.abs(found))))
        rounded = np.round(found * scale) / scale
    return np.where(np.isfinite(rounded), rounded, found)


def _by_slice(use_case: UseCase, rows: pl.DataFrame, lost: Array) -> dict[str, dict[str, Outcomes]]:
    """By what a request tells of a row, and by its true class. No batch that is served comes again."""
    told = {field.name for field in use_case.inputs} | {use_case.output.name}
    groups = {by: column for by, column in use_case.groups(rows).items() if by in told and by != BATCH}
    return {
        by: {str(label): outcomes(lost[(column == label).to_numpy()]) for label in sorted(column.unique())}
        for by, column in groups.items()
    }


def outcomes(lost: Array) -> Outcomes:
    values, counts = np.unique(lost, return_counts=True)
    return tuple(zip(values.tolist(), counts.tolist(), strict=True))
