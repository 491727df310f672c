"""ONNX graphs that are made or changed by hand: a constant answer, calibration, a value beside its error's scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from portfolio.bundle.manifest import SMALLEST_PROBABILITY, InputField, Output, tensor_names
from portfolio.core.types import Array

OPSET = 20
IR_VERSION = 10


def constant_graph(inputs: Sequence[InputField], output: Output, answer: Array) -> onnx.ModelProto:
    """A graph that gives the same answer, float32 [outputs], to every row."""
    tensors = [
        helper.make_tensor_value_info(
            tensor, TensorProto.STRING if field.is_string else TensorProto.FLOAT, [None, field.width]
        )
        for tensor, field in zip(tensor_names(len(inputs)), inputs, strict=True)
    ]
    graph = helper.make_graph(
        [
            helper.make_node("Shape", [tensors[0].name], ["rows"], start=0, end=1),
            helper.make_node("Concat", ["rows", "one"], ["shape"], axis=0),
            helper.make_node("Expand", ["answer", "shape"], [output.tensor]),
        ],
        "constant",
        tensors,
        [helper.make_tensor_value_info(output.tensor, TensorProto.FLOAT, [None, len(answer)])],
        [
            numpy_helper.from_array(np.array([1], dtype=np.int64), "one"),
            numpy_helper.from_array(answer.astype(np.float32).reshape(1, -1), "answer"),
        ],
    )
    return finished(helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)]))


def calibrated(model: onnx.ModelProto, temperature: float) -> onnx.ModelProto:
    """The graph with its logits divided by the temperature: the same class, with an honest probability."""
    (output,) = model.graph.output
    before = f"{output.name}_uncalibrated"
    rename(model, output.name, before)
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
    return finished(model)


def with_error_scale(model: onnx.ModelProto, scale: onnx.ModelProto) -> onnx.ModelProto:
    """One graph of two that take the same inputs: a value, and beside it the scale of its error, [rows, 2]."""
    (output,) = model.graph.output
    named = {"value": model, "error_scale": scale}
    parts = [onnx.compose.add_prefix(part, f"{name}/", rename_inputs=False) for name, part in named.items()]
    answers = [part.graph.output[0].name for part in parts]
    graph = helper.make_graph(
        [
            *(node for part in parts for node in part.graph.node),
            helper.make_node("Concat", answers, [output.name], axis=1),
        ],
        "value_and_error_scale",
        list(model.graph.input),
        [helper.make_tensor_value_info(output.name, TensorProto.FLOAT, [None, 2])],
        [initializer for part in parts for initializer in part.graph.initializer],
    )
    return finished(helper.make_model(graph, opset_imports=_newest_opsets(*parts)))


def behind_features(model: onnx.ModelProto, features: onnx.ModelProto) -> onnx.ModelProto:
    """One graph of two: the features of the inputs, and a model that takes both."""
    computed = {output.name for output in features.graph.output}
    graph = helper.make_graph(
        [*features.graph.node, *model.graph.node],
        model.graph.name,
        list(features.graph.input),
        list(model.graph.output),
        [*features.graph.initializer, *model.graph.initializer],
    )
    known = {tensor.name for tensor in features.graph.input} | computed
    assert known >= {tensor.name for tensor in model.graph.input}
    return finished(helper.make_model(graph, opset_imports=_newest_opsets(features, model)))


def _newest_opsets(*parts: onnx.ModelProto) -> list[onnx.OperatorSetIdProto]:
    """The newest of each domain: a converter states the oldest that has all of its graph's operators."""
    opsets = sorted((opset for part in parts for opset in part.opset_import), key=lambda opset: opset.version)
    return list({opset.domain: opset for opset in opsets}.values())


def only_output(model: onnx.ModelProto, old: str, new: str) -> onnx.ModelProto:
    """Keep one output of the graph, under a new name."""
    if old != new:
        rename(model, old, new)
    (kept,) = [output for output in model.graph.output if output.name == old]
    kept.name = new
    for output in [output for output in model.graph.output if output.name != new]:
        model.graph.output.remove(output)
    return model


def rename(model: onnx.ModelProto, old: str, new: str) -> None:
    for node in model.graph.node:
        node.output[:] = [new if name == old else name for name in node.output]
        node.input[:] = [new if name == old else name for name in node.input]


def finished(model: onnx.ModelProto) -> onnx.ModelProto:
    model.ir_version = IR_VERSION
    _remove_traces(model)
    # skl2onnx lists them in any order; the same model must be the same bytes.
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    onnx.checker.check_model(model)
    return model


def _remove_traces(model: onnx.ModelProto) -> None:
    """Torch's exporter leaves stack traces, with the folder's path: elsewhere, the same model would be other bytes."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
