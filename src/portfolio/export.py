"""From a fitted candidate to a bundle: one ONNX graph with raw inputs, checked against the model it comes from."""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from portfolio import files
from portfolio.bundle import (
    Array,
    Bundle,
    InputField,
    Lineage,
    Manifest,
    Reference,
    write_bundle,
)
from portfolio.calibration import SMALLEST_PROBABILITY, fit_temperature
from portfolio.config import Config
from portfolio.dataset import Split, data_sha256
from portfolio.errors import BundleError
from portfolio.paths import TRAIN_SECONDS_NAME
from portfolio.use_case import UseCase

if TYPE_CHECKING:
    import torch

OPSET = 20
ML_OPSET = 3
IR_VERSION = 10
GOLDEN_ROWS = 8
REFERENCE_BINS = 10
# Of float32 graphs against the models they come from: relative to the largest of 1 and the expected value.
PARITY_TOLERANCE = 1e-3


def round_to_float32(estimator: Any) -> Any:
    """Round what a fitted scikit-learn estimator has learnt as its float32 graph will, and give it back.

    The last bit of a scaled feature, or of a threshold, decides on which side of a tree's split a row falls. With both
    rounded beforehand, scikit-learn and the graph agree on every row.
    """
    for part in [step for _, step, *_ in getattr(estimator, "steps", getattr(estimator, "transformers_", []))]:
        round_to_float32(part)
    for tree in getattr(estimator, "estimators_", []):
        round_to_float32(tree)
    for name in ("mean_", "scale_"):
        if hasattr(estimator, name):
            setattr(estimator, name, getattr(estimator, name).astype(np.float32).astype(np.float64))
    if hasattr(estimator, "tree_"):
        # Down, never up: no float32 feature lies between, and rounded up it could meet the next one.
        threshold = estimator.tree_.threshold
        rounded = threshold.astype(np.float32)
        threshold[:] = np.where(rounded > threshold, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    return estimator


def sklearn_graph(use_case: UseCase, pipeline: Any) -> onnx.ModelProto:
    """A fitted scikit-learn pipeline as a graph from the raw inputs to the use case's output."""
    graph = _convert_sklearn(use_case, pipeline, estimator=pipeline)
    if use_case.output.task == "classification":
        return _finished(_renamed_output(graph, "probabilities", "probabilities"))
    return _finished(_regression_output(graph, use_case))


def constant_graph(use_case: UseCase, answer: Array) -> onnx.ModelProto:
    """A graph that gives the same answer, float32 [outputs], to every row."""
    inputs = [
        helper.make_tensor_value_info(
            field.name, TensorProto.STRING if field.is_string else TensorProto.FLOAT, [None, field.width]
        )
        for field in use_case.inputs
    ]
    output = use_case.output.tensor
    graph = helper.make_graph(
        [
            helper.make_node("Shape", [inputs[0].name], ["rows"], start=0, end=1),
            helper.make_node("Concat", ["rows", "one"], ["shape"], axis=0),
            helper.make_node("Expand", ["answer", "shape"], [output]),
        ],
        "constant",
        inputs,
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, len(answer)])],
        [
            numpy_helper.from_array(np.array([1], dtype=np.int64), "one"),
            numpy_helper.from_array(answer.astype(np.float32).reshape(1, -1), "answer"),
        ],
    )
    return _finished(helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)]))


def calibrated(model: onnx.ModelProto, temperature: float) -> onnx.ModelProto:
    """The graph with its logits divided by the temperature: the same class, with an honest probability."""
    (output,) = model.graph.output
    before = f"{output.name}_uncalibrated"
    for node in model.graph.node:
        node.output[:] = [before if name == output.name else name for name in node.output]
        node.input[:] = [before if name == output.name else name for name in node.input]
    model.graph.initializer.extend(
        numpy_helper.from_array(np.array(value, dtype=np.float32), name)
        for name, value in (
            ("calibration/smallest", SMALLEST_PROBABILITY),
            ("calibration/largest", 1),
            ("calibration/factor", 1 / temperature),
        )
    )
    steps = ["calibration/clipped", "calibration/log", "calibration/logits"]
    model.graph.node.extend(
        [
            helper.make_node("Clip", [before, "calibration/smallest", "calibration/largest"], [steps[0]]),
            helper.make_node("Log", [steps[0]], [steps[1]]),
            helper.make_node("Mul", [steps[1], "calibration/factor"], [steps[2]]),
            helper.make_node("Softmax", [steps[2]], [output.name], axis=1),
        ]
    )
    return _finished(model)


def network_graph(use_case: UseCase, preprocessor: Any | None, network: torch.nn.Module, width: int) -> onnx.ModelProto:
    """A network, whose outputs are probabilities or values, behind its preprocessor, as one graph."""
    import torch

    # Both are said of every export: torchvision is not needed here, and the deprecation is torch's own.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
    first = use_case.inputs[0].name if preprocessor is None else "features"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            network.eval(),
            # Two rows: a batch of one would be frozen into the graph.
            (torch.zeros(2, width),),
            str(path),
            input_names=[first],
            output_names=[use_case.output.tensor],
            dynamic_shapes=({0: torch.export.Dim("rows")},),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        graph = onnx.load(str(path))
    if preprocessor is None:
        return _finished(graph)
    before = _convert_sklearn(use_case, preprocessor)
    graph.ir_version = before.ir_version = IR_VERSION
    (features,) = [output.name for output in before.graph.output]
    merged = onnx.compose.merge_models(
        onnx.compose.add_prefix(before, "pre/", rename_inputs=False, rename_outputs=False),
        onnx.compose.add_prefix(graph, "net/", rename_inputs=False, rename_outputs=False),
        io_map=[(features, first)],
    )
    return _finished(merged)


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
    """Write a candidate's bundle, calibrated on the validation rows if it gives probabilities, and open it.

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
    temperature = 1.0
    if use_case.output.task == "classification":
        temperature = fit_temperature(_run(raw, use_case, val.inputs), val.targets)
        raw = calibrated(model, temperature).SerializeToString()
    golden = {name: array[:GOLDEN_ROWS] for name, array in train.inputs.items()}
    manifest = Manifest(
        use_case=use_case.name,
        candidate=folder.name,
        inputs=use_case.inputs,
        output=use_case.output,
        temperature=temperature,
        reference={field.name: reference(field, train.inputs[field.name]) for field in use_case.inputs},
        golden_inputs={field.name: _plain(field, golden[field.name]) for field in use_case.inputs},
        golden_outputs=_run(raw, use_case, golden).tolist(),
        lineage=Lineage(git_commit=git_commit(), data_sha256=data_sha256(use_case), config_sha256=config.sha256),
        model_sha256=hashlib.sha256(raw).hexdigest(),
    )
    write_bundle(folder, raw, manifest)
    files.write_text(folder / TRAIN_SECONDS_NAME, f"{train_seconds:.3f}\n")
    print(f"{folder.name}: {len(raw) / 1024:.0f} KiB, equal to its model within {worst:.1g}")
    return Bundle.open(folder)


def reference(field: InputField, values: Array) -> Reference:
    """The distribution of one input, [rows, width], for drift: shares by tenths, of a text's length, or by category."""
    if field.kind == "category":
        column = values[:, 0].astype(str)
        shares = [float(np.mean(column == category)) for category in field.categories]
        return Reference(categories=field.categories, shares=tuple(shares), missing_share=float(np.mean(column == "")))
    column = np.char.str_len(values[:, 0].astype(str)) if field.kind == "text" else values.mean(axis=1)
    present = column[np.isfinite(column)]
    edges = np.unique(np.quantile(present, np.linspace(0, 1, REFERENCE_BINS + 1)[1:-1]))
    counts = np.bincount(np.digitize(present, edges), minlength=len(edges) + 1)
    return Reference(
        edges=tuple(edges.tolist()),
        shares=tuple((counts / len(present)).tolist()),
        missing_share=float(1 - len(present) / len(column)),
    )


def git_commit() -> str:
    """The commit that is checked out, or what PORTFOLIO_GIT_COMMIT says where there is no repository (an image)."""
    stated = os.environ.get("PORTFOLIO_GIT_COMMIT")
    if stated:
        return stated
    result = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else "unknown"


def _convert_sklearn(use_case: UseCase, model: Any, estimator: Any | None = None) -> onnx.ModelProto:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.preprocessing import StandardScaler

    types = [
        (field.name, (StringTensorType if field.is_string else FloatTensorType)([None, field.width]))
        for field in use_case.inputs
    ]
    # A division, as scikit-learn has it, and no product with the inverse.
    options: dict[Any, dict[str, Any]] = {StandardScaler: {"div": "div"}}
    if estimator is not None and use_case.output.task == "classification":
        options[id(estimator)] = {"zipmap": False}
    with warnings.catch_warnings():
        # skl2onnx 1.20 looks whether a support-vector machine has them; scikit-learn 1.9 says that they will go.
        warnings.filterwarnings("ignore", message="Attribute `prob._` was deprecated", category=FutureWarning)
        graph: onnx.ModelProto = to_onnx(
            model, initial_types=types, target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET}, options=options
        )
    return graph


def _renamed_output(model: onnx.ModelProto, old: str, new: str) -> onnx.ModelProto:
    """Keep one output of the graph, under a new name."""
    if old != new:
        for node in model.graph.node:
            node.output[:] = [new if name == old else name for name in node.output]
            node.input[:] = [new if name == old else name for name in node.input]
    (kept,) = [output for output in model.graph.output if output.name == old]
    kept.name = new
    for output in [output for output in model.graph.output if output.name != new]:
        model.graph.output.remove(output)
    return model


def _regression_output(model: onnx.ModelProto, use_case: UseCase) -> onnx.ModelProto:
    """Name the one output `value`; with a logarithmic target, put the exponential behind it."""
    (output,) = model.graph.output
    if not use_case.log_target:
        return _renamed_output(model, output.name, "value")
    model.graph.node.append(helper.make_node("Exp", [output.name], ["value"]))
    model.graph.output.remove(output)
    model.graph.output.append(helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, 1]))
    return model


def _finished(model: onnx.ModelProto) -> onnx.ModelProto:
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    return model


def _run(raw: bytes, use_case: UseCase, inputs: dict[str, Array]) -> Array:
    import onnxruntime as ort

    session = ort.InferenceSession(raw, providers=["CPUExecutionProvider"])
    return np.asarray(session.run([use_case.output.tensor], inputs)[0])


def _plain(field: InputField, values: Array) -> list[Any]:
    """A tensor [rows, width] as JSON values, one a row; NaN becomes null."""
    if field.shape:
        return list(values.tolist())
    column = values[:, 0].tolist()
    return [None if isinstance(value, float) and np.isnan(value) else value for value in column]
