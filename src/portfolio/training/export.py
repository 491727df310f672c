"""From a fitted candidate to a bundle: one ONNX graph with raw inputs, checked against the model it comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
import onnx

from portfolio.bundle.bundle import Bundle, write_bundle
from portfolio.bundle.graph import calibrated, with_error_scale
from portfolio.bundle.manifest import InputField, Manifest
from portfolio.bundle.reference import reference
from portfolio.contract.config import Config
from portfolio.contract.use_case import BATCH, UseCase
from portfolio.core import files
from portfolio.core.dates import iso_date
from portfolio.core.paths import VAL_ERROR_SCALE_NAME, Paths
from portfolio.core.types import Array
from portfolio.data.dataset import Split
from portfolio.data.split import split_rule
from portfolio.evaluation.calibration import fit_temperature
from portfolio.evaluation.comparison import Evaluated, evaluate_candidate
from portfolio.training.error_scale import fit_error_scale
from portfolio.training.parity import check_parity, run_graph
from portfolio.training.sklearn_graph import sklearn_graph

GOLDEN_ROWS = 8


class Fitted(Protocol):
    """A model that was fitted on the training rows."""

    @property
    def seconds(self) -> float:
        """How long that took."""

    def graph(self) -> onnx.ModelProto:
        """The model as one ONNX graph with raw inputs. Raises BundleError if it can't be exported."""

    def predict(self, inputs: dict[str, Array]) -> Array:
        """Probabilities [rows, classes] or values [rows, 1] for inputs [rows, width] by name."""


def write_candidate(
    folder: Path, use_case: UseCase, config: Config, fitted: Fitted, train: Split, val: Split
) -> Bundle:
    """Write the bundle of a model that was fitted on `train`, and open it.

    From the validation rows it learns how sure it may be: probabilities are calibrated, and a value gets the scale of
    its error. Raises BundleError if the graph does not give the same answers as the model.
    """
    model = fitted.graph()
    raw = model.SerializeToString()
    worst = check_parity(folder.name, raw, use_case, train.inputs, fitted.predict(train.inputs))
    temperature, scale = 1.0, None
    if use_case.output.task == "classification":
        temperature = fit_temperature(run_graph(raw, use_case, val.inputs), val.targets)
        raw = calibrated(model, temperature).SerializeToString()
    else:
        scale = fit_error_scale(use_case, val, run_graph(raw, use_case, val.inputs)[:, 0])
        features, output = use_case.graph_features, use_case.output
        scale_graph = sklearn_graph(features, output, scale.pipeline, logarithms=scale.logarithms)
        raw = with_error_scale(model, scale_graph).SerializeToString()
    golden = {name: array[:GOLDEN_ROWS] for name, array in train.inputs.items()}
    manifest = Manifest(
        use_case=use_case.name,
        candidate=folder.name,
        inputs=_with_examples(_with_unsure_marks(use_case), train.inputs),
        output=use_case.output,
        temperature=temperature,
        error_ratios=() if scale is None else scale.ratios,
        split=split_rule(use_case.source, config.prepare),
        batches=tuple(sorted({*train.rows[BATCH], *val.rows[BATCH]})),
        reference={field.name: reference(field, train.inputs[field.name]) for field in use_case.inputs},
        golden_inputs={field.name: _plain(field, golden[field.name]) for field in use_case.inputs},
        golden_outputs=run_graph(raw, use_case, golden).tolist(),
        model_sha256=hashlib.sha256(raw).hexdigest(),
    )
    write_bundle(folder, raw, manifest)
    measured = Paths(use_case.name).train_seconds(manifest.model_sha256)
    if not measured.exists():
        files.write_text(measured, f"{fitted.seconds:.3f}\n")
    if scale is not None:
        np.save(folder / VAL_ERROR_SCALE_NAME, scale.on_val)
    print(f"{folder.name}: {len(raw) / 1024:.0f} KiB, equal to its model within {worst:.1g}")
    return Bundle.open(folder)


def as_served(
    name: str, use_case: UseCase, config: Config, fitted: Fitted, train: Split, val: Split, test: Split
) -> Evaluated:
    """A fitted model as the bundle that the stages would make of it, with its answers to the other rows."""
    with TemporaryDirectory() as folder:
        candidate, bundle = Path(folder) / name, Path(folder) / "bundles" / name
        write_candidate(candidate, use_case, config, fitted, train, val)
        return evaluate_candidate(candidate, bundle, use_case, config, val, test)


def _with_unsure_marks(use_case: UseCase) -> list[InputField]:
    """The fields; numbers with the marks that mean something else in the source's files than elsewhere."""
    written = use_case.source.written
    if written.decimal != ",":
        return use_case.inputs
    marks = {"unsure_marks": ",." if written.thousands == "." else ","}
    return [field.model_copy(update=marks) if field.kind == "number" else field for field in use_case.inputs]


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
    if field.is_string:
        return list(values[:, 0].tolist())
    if field.kind == "date":
        return [None if np.isnan(value) else iso_date(value) for value in values[:, 0]]
    # The shortest numbers that are these in float32: 11.53, and not 11.529999732971191.
    rows = [[float(str(value)) for value in row] for row in values]
    return rows if field.shape else [None if np.isnan(value) else value for (value,) in rows]
