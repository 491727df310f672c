"""The manifest of a made-up classifier, with what its test rows promise."""

from __future__ import annotations

from portfolio.bundle.manifest import InputField, Lineage, Manifest, Output
from portfolio.bundle.policy import Decider, Policy
from portfolio.bundle.reference import reference
from portfolio.core.types import Array
from portfolio.evaluation.promise import promised


def made_up_manifest(
    use_case: str,
    output: Output,
    policy: Policy,
    train: Array,
    test: Array,
    outputs: Array,
    targets: Array,
    image: InputField | None = None,
) -> Manifest:
    """For rows [rows, fields] of numbers, or the pixels of one image; `outputs` and `targets` are of the test rows."""
    decisions = Decider(policy, output.classes, ())(outputs)
    fields = (
        (image,) if image else tuple(InputField(name=f"x{place}", kind="number") for place in range(train.shape[1]))
    )
    columns = {one.name: train if image else train[:, [place]] for place, one in enumerate(fields)}
    return Manifest(
        use_case=use_case,
        candidate="made up",
        inputs=fields,
        output=output,
        policy=policy,
        figures={"accuracy": float((decisions.answers == targets).mean())},
        promise=promised(output, policy, targets, outputs, decisions),
        reference={one.name: reference(one, columns[one.name]) for one in fields},
        golden_inputs={one.name: [columns[one.name][0].tolist()] for one in fields},
        golden_outputs=[outputs[0].tolist()],
        lineage=Lineage(model_version=1),
        model_sha256="0" * 64,
    )
