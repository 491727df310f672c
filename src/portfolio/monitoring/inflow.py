"""What is seen of a window without any label: how inputs and outputs are distributed, and what the model expects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from portfolio.bundle.manifest import Manifest, Reference
from portfolio.bundle.policy import saved
from portfolio.bundle.summaries import DATE, summaries
from portfolio.core.types import Array
from portfolio.evaluation.promise import output_summaries
from portfolio.monitoring.answered import Answered
from portfolio.monitoring.copies import Copies
from portfolio.monitoring.prediction_log.window import Unanswered
from portfolio.monitoring.tally import Tally

OUTPUT = "(output)"
"""What stands for a field where a summary is of the model's answers."""


@dataclass
class Expected:
    """Sums over rows of what the model expects of its own answers: of the yen saved, and of a right answer."""

    rows: int = 0
    by_machine: int = 0
    yen: float = 0.0
    yen_squared: float = 0.0
    yen_variance: float = 0.0
    """How much the true yen vary around what is expected; at most, where errors have several prices."""
    right: float = 0.0
    right_variance: float = 0.0
    right_by_machine: float = 0.0
    right_by_machine_variance: float = 0.0

    def add(self, manifest: Manifest, found: Answered) -> None:
        _, certainty, error_yen, by_machine = found.decisions
        self.rows += len(certainty)
        self.by_machine += int(np.count_nonzero(by_machine))
        variance = certainty * (1 - certainty)
        self.right += float(certainty.sum())
        self.right_variance += float(variance.sum())
        self.right_by_machine += float(certainty[by_machine].sum())
        self.right_by_machine_variance += float(variance[by_machine].sum())
        if manifest.policy is not None:
            prices = manifest.policy.prices
            yen = saved(prices, by_machine, error_yen)
            self.yen += float(yen.sum())
            self.yen_squared += float((yen**2).sum())
            self.yen_variance += float((by_machine * error_yen * (prices.highest_error_yen - error_yen)).sum())


@dataclass
class Inflow:
    """The answers of one bundle in a window, added up."""

    manifest: Manifest
    tallies: dict[tuple[str, str], Tally] = field(init=False)
    """By field and summary; those of the outputs have the field `OUTPUT`."""
    expected: Expected = field(default_factory=Expected)
    copies: Copies = field(default_factory=Copies)
    requests: int = 0
    """Those that were answered. `unanswered` has the others, by why."""
    unanswered: Counter[Unanswered] = field(default_factory=Counter)
    strange: int = 0
    """Rows of which an input or an output lies where training or test had none."""

    def __post_init__(self) -> None:
        named = input_references(self.manifest)
        if self.manifest.promise is not None:
            named |= {(OUTPUT, name): of for name, of in self.manifest.promise.outputs.items()}
        self.tallies = {name: Tally(reference) for name, reference in named.items()}

    @property
    def rows(self) -> int:
        return self.expected.rows

    @property
    def new_share(self) -> float:
        """As what share of the rows they count, if a row that comes again says nothing new."""
        return self.copies.independent / self.rows if self.rows else 0.0

    def add(self, found: Answered) -> None:
        strange = np.zeros(len(found.outputs), dtype=bool)
        for name, values in self._values(found).items():
            if name in self.tallies:
                outside = self.tallies[name].add(values)
                # That time goes on makes no row strange: dates that training did not reach are told by themselves.
                strange |= outside & (name[1] != DATE)
        self.strange += int(np.count_nonzero(strange))
        self.copies.add(found.inputs)
        self.expected.add(self.manifest, found)

    def _values(self, found: Answered) -> dict[tuple[str, str], Array]:
        answers = output_summaries(self.manifest.output, found.outputs, found.decisions)
        values = input_values(self.manifest, found.inputs)
        return values | {(OUTPUT, name): column for name, column in answers.items()}


def input_references(manifest: Manifest) -> dict[tuple[str, str], Reference]:
    """By field and summary, how the training rows were distributed."""
    named: dict[tuple[str, str], Reference] = {}
    for one in manifest.inputs:
        if (reference := manifest.reference.get(one.name)) is not None:
            named[one.name, first_summary(one.kind)] = reference
            named |= {(one.name, name): more for name, more in reference.summaries.items()}
    return named


def input_values(manifest: Manifest, inputs: Mapping[str, Array]) -> dict[tuple[str, str], Array]:
    """The same of rows: floats or texts [rows] each. `inputs` by name, [rows, width]."""
    values: dict[tuple[str, str], Array] = {}
    for one in manifest.inputs:
        given = inputs[one.name]
        if one.kind == "category":
            values[one.name, first_summary(one.kind)] = given[:, 0]
        else:
            values |= {(one.name, name): column for name, column in summaries(one, given).items()}
    return values


def inside_support(manifest: Manifest, inputs: Mapping[str, Array]) -> Array:
    """Whether each row is such as the model was trained on, bool [rows]. Of others, its certainty says little.

    Numbers, and the named features of pictures and texts, lie between the smallest and the largest in training, and
    categories were declared. A missing value is no outlier, and neither is a date.
    """
    values = input_values(manifest, inputs)
    inside = np.ones(len(next(iter(inputs.values()))), dtype=bool)
    for name, reference in input_references(manifest).items():
        if name in values and name[1] != DATE:
            inside &= ~Tally(reference).add(values[name])
    return inside


def first_summary(kind: str) -> str:
    """What a field's own reference is of; the others have their names there."""
    return {"category": "category", "date": DATE, "image": "brightness", "text": "length"}.get(kind, "value")
