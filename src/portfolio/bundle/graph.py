"""ONNX graphs from fitted models: raw inputs in, probabilities or a value out."""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from portfolio.contract.use_case import UseCase
from portfolio.core.types import Array
from portfolio.evaluation.calibration import SMALLEST_PROBABILITY

if TYPE_CHECKING:
    import torch


OPSET = 20


ML_OPSET = 3


IR_VERSION = 10


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
