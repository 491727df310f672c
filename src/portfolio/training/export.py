"""From a fitted candidate to a bundle: one ONNX graph with raw inputs, checked against the model it comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from portfolio.bundle.bundle import Bundle, write_bundle
from portfolio.bundle.graph import calibrated, sklearn_graph, with_error_scale
from portfolio.bundle.lineage import git_commit
from portfolio.bundle.manifest import InputField, Lineage, Manifest, tensor_names
from portfolio.bundle.reference import reference
from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.errors import BundleError
from portfolio.core.paths import TRAIN_SECONDS_NAME, VAL_ERROR_SCALE_NAME
from portfolio.core.types import Array
from portfolio.data.dataset import Split, data_sha256
from portfolio.evaluation.calibration import fit_temperature
from portfolio.training.error_scale import fit_error_scale

GOLDEN_ROWS = 8
# Of float32 graphs against the models they come from: relative to the largest of 1 and the expected value.
PARITY_TOLERANCE = 1e-3


def write_candidate(
    folder: Path,
    use_case: UseCase,
    config: Config,
    model: onnx.ModelProto,
    train: Split,
    expected: Array,
    val: Split,
    train_seconds: float,
) -> Bundle:
    """Write a candidate's bundle and open it. On the validation rows it learns how sure it may be: probabilities are
    calibrated, and a value gets the scale of its error.

    `expected` are the outputs, [rows, ...], of the model it comes from on the training rows. Raises BundleError
    where the graph does not give the same.
    """
    raw = model.SerializeToString()
    found = _run(raw, use_case, train.inputs)
    expected = np.asarray(expected, dtype=np.float64).reshape(found.shape)
    worst = float(np.max(np.abs(found - expected) / np.maximum(1.0, np.abs(expected))))
    if not worst <= PARITY_TOLERANCE:
        raise BundleError(
            f"The exported graph of '{folder.name}' differs from its model by {worst:.2g} (allowed: "
            f"{PARITY_TOLERANCE}). Where that is nan, training diverged: lower train.learning_rate. Else its export "
            "is wrong: choose another estimator or change its options."
        )
    temperature, scale = 1.0, None
    if use_case.output.task == "classification":
        temperature = fit_temperature(_run(raw, use_case, val.inputs), val.targets)
        raw = calibrated(model, temperature).SerializeToString()
    else:
        scale = fit_error_scale(use_case, val, _run(raw, use_case, val.inputs)[:, 0])
        scale_graph = sklearn_graph(use_case.inputs, use_case.output, scale.pipeline, log=True)
        raw = with_error_scale(model, scale_graph).SerializeToString()
    golden = {name: array[:GOLDEN_ROWS] for name, array in train.inputs.items()}
    manifest = Manifest(
        use_case=use_case.name,
        candidate=folder.name,
        inputs=_with_examples(use_case.inputs, train.inputs),
        output=use_case.output,
        temperature=temperature,
        error_ratios=() if scale is None else scale.ratios,
        reference={field.name: reference(field, train.inputs[field.name]) for field in use_case.inputs},
        golden_inputs={field.name: _plain(field, golden[field.name]) for field in use_case.inputs},
        golden_outputs=_run(raw, use_case, golden).tolist(),
        lineage=Lineage(git_commit=git_commit(), data_sha256=data_sha256(use_case), config_sha256=config.sha256),
        model_sha256=hashlib.sha256(raw).hexdigest(),
    )
    write_bundle(folder, raw, manifest)
    files.write_text(folder / TRAIN_SECONDS_NAME, f"{train_seconds:.3f}\n")
    if scale is not None:
        np.save(folder / VAL_ERROR_SCALE_NAME, scale.on_val)
    print(f"{folder.name}: {len(raw) / 1024:.0f} KiB, equal to its model within {worst:.1g}")
    return Bundle.open(folder)


def _run(raw: bytes, use_case: UseCase, inputs: dict[str, Array]) -> Array:
    import onnxruntime as ort

    session = ort.InferenceSession(raw, providers=["CPUExecutionProvider"])
    tensors = tensor_names(len(use_case.inputs))
    feed = {tensor: inputs[field.name] for tensor, field in zip(tensors, use_case.inputs, strict=True)}
    return np.asarray(session.run([use_case.output.tensor], feed)[0])


def _with_examples(fields: Sequence[InputField], inputs: dict[str, Array]) -> tuple[InputField, ...]:
    """The fields with the values of one real row: the first that lacks as little as any."""
    lacking = sum((_is_missing(field, inputs[field.name]) for field in fields), start=np.int64(0))
    row = int(np.argmin(lacking))
    return tuple(
        field.model_copy(update={"example": _plain(field, inputs[field.name][row : row + 1])[0]}) for field in fields
    )


def _is_missing(field: InputField, values: Array) -> Array:
    return np.asarray(values[:, 0] == "" if field.is_string else np.isnan(values[:, 0]), dtype=np.int64)


def _plain(field: InputField, values: Array) -> list[Any]:
    """A tensor [rows, width] as JSON values, one a row; NaN becomes null."""
    if field.shape:
        return list(values.tolist())
    column = values[:, 0].tolist()
    return [None if isinstance(value, float) and np.isnan(value) else value for value in column]
