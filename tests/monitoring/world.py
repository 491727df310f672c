"""A world in which a model is served: its rows, its manifest with what its test rows promise, and its log."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from portfolio.bundle.manifest import InputField, Lineage, Manifest, Output, bundle_digest, write_manifest
from portfolio.bundle.policy import Decider, Policy, Prices
from portfolio.bundle.reference import reference
from portfolio.bundle.store import Store
from portfolio.core.types import Array
from portfolio.evaluation.promise import promised
from portfolio.monitoring.prediction_log.log import PredictionLog
from portfolio.monitoring.prediction_log.tables import predictions
from serving.record.record import Record, as_json

FIRST_DAY = datetime(2026, 3, 1, tzinfo=UTC)
COLOURS = ("green", "yellow")
OUTPUT = Output(task="classification", name="ripe", classes=("no", "yes"), labels=("no", "yes"))
INPUTS = (
    InputField(name="weight", kind="number", nullable=True),
    InputField(name="colour", kind="category", categories=COLOURS),
)
STEEPNESS = 4.0


@dataclass
class World:
    """The model knows the truth about its rows: the probability of "yes" rises with the weight."""

    store: Store
    log: PredictionLog
    audit_share: float = 0.5
    test_rows: int = 2000
    version: int = 1
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def __post_init__(self) -> None:
        policy = Policy(
            prices=Prices(by_hand_yen=10, check_yen=4, error_yen=50), tolerance=None, audit_share=self.audit_share
        )
        self.decider = Decider(policy, OUTPUT.classes, ())
        inputs = self.rows(self.test_rows)
        outputs = self.outputs(inputs)
        decisions = self.decider(outputs)
        targets = self.targets(inputs)
        self.manifest = Manifest(
            use_case=self.store.folder.name,
            candidate=f"made up {self.version}",
            inputs=INPUTS,
            output=OUTPUT,
            policy=policy,
            figures={"accuracy": float((decisions.answers == targets).mean())},
            promise=promised(OUTPUT, policy, targets, outputs, decisions, {"colour": inputs["colour"][:, 0]}),
            reference={one.name: reference(one, inputs[one.name]) for one in INPUTS},
            golden_inputs={"weight": [0.0], "colour": ["green"]},
            golden_outputs=[[0.5, 0.5]],
            lineage=Lineage(model_version=self.version),
            model_sha256="0" * 64,
        )
        self.digest = bundle_digest(self.manifest)
        write_manifest(self.store.bundle_folder(self.digest), self.manifest)

    def rows(self, count: int, *, shift: float = 0.0) -> dict[str, Array]:
        weight = self.random.normal(shift, 1, (count, 1)).astype(np.float32)
        return {"weight": weight, "colour": self.random.choice(np.array(COLOURS, dtype=object), (count, 1))}

    def outputs(self, inputs: dict[str, Array]) -> Array:
        yes = 1 / (1 + np.exp(-STEEPNESS * inputs["weight"][:, 0]))
        return np.stack([1 - yes, yes], axis=1).astype(np.float32)

    def targets(self, inputs: dict[str, Array]) -> Array:
        return (self.random.random(len(inputs["weight"])) < self.outputs(inputs)[:, 1]).astype(np.int64)

    def serve(
        self,
        day: int,
        inputs: dict[str, Array],
        *,
        targets: Array | None = None,
        at_once: int = 10,
        labels: bool = True,
    ) -> None:
        """Answer rows on a day, and label what was asked for at once."""
        outputs, targets = self.outputs(inputs), self.targets(inputs) if targets is None else targets
        machine = self.decider(outputs).by_machine
        asked = np.where(machine, np.where(self.random.random(len(machine)) < self.audit_share, self.audit_share, 0), 1)
        moments = np.linspace(0, 86_000, len(machine))
        rows, labelled = [], []
        for start in range(0, len(machine), at_once):
            part = slice(start, start + at_once)
            request_id = f"{day:08x}{start:024x}"
            at = FIRST_DAY + timedelta(days=day, seconds=float(moments[start]))
            rows.append(
                Record(
                    request_id,
                    at.timestamp(),
                    self.version,
                    self.digest,
                    outputs[part],
                    machine[part].tolist(),
                    asked[part].tolist(),
                    "predict",
                    {name: column[part] for name, column in inputs.items()},
                ).row()
            )
            for place, (probability, target) in enumerate(zip(asked[part], targets[part], strict=True)):
                if probability and labels:
                    label = as_json(OUTPUT.classes[target])
                    key = {"request_id": request_id, "row": place, "label": label, "right": None}
                    labelled.append({**key, "received_at": at})
        self.log.append(predictions, rows)
        self.log.add_labels(labelled)


def midnight(day: int) -> datetime:
    return FIRST_DAY + timedelta(days=day)
