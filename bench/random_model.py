"""Models with the inputs of another bundle's and random weights, always the same for the same seed.

The large one takes some milliseconds a row, and little more for several together: its weights are too many for a
processor's caches, so a row alone waits for memory. That is where batching pays.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from portfolio.bundle.bundle import Bundle, write_bundle
from portfolio.bundle.manifest import tensor_names

LARGE = (3072, 3072, 3072)


def make(folder: Path, like: Bundle, *, widths: tuple[int, ...], seed: int = 0, version: int = 1) -> Bundle:
    """Write a network with hidden layers of these widths as a bundle whose manifest is otherwise that of `like`.

    `like` must be the bundle of an image classifier.
    """
    (field,) = like.manifest.inputs
    output = like.manifest.output.tensor
    largest = max(abs(field.minimum or 0.0), abs(field.maximum or 1.0))
    (name,) = tensor_names(1)
    raw = network(name, output, (field.width, *widths, len(like.manifest.output.classes)), seed, largest)
    session = ort.InferenceSession(raw, providers=["CPUExecutionProvider"])
    (expected,) = session.run([output], {name: like.arrays(like.manifest.golden_inputs)[field.name]})
    changed = {
        "model_sha256": hashlib.sha256(raw).hexdigest(),
        "golden_outputs": np.asarray(expected).tolist(),
        "candidate": f"random {seed}",
        "lineage": like.manifest.lineage.model_copy(update={"model_version": version}),
    }
    write_bundle(folder, raw, like.manifest.model_copy(update=changed))
    return Bundle.open(folder)


def network(name: str, output: str, widths: tuple[int, ...], seed: int, largest: float) -> bytes:
    """The graph of a network with random weights, for inputs whose values are up to `largest` in size."""
    random = np.random.default_rng(seed)
    nodes, weights = [], []
    last = name
    for number, (rows, columns) in enumerate(pairwise(widths)):
        # The first layer's weights make up for the size of the inputs.
        scale = (2 / rows) ** 0.5 / (largest if number == 0 else 1)
        matrix = random.normal(0, scale, (rows, columns)).astype(np.float32)
        weights.append(numpy_helper.from_array(matrix, f"weights_{number}"))
        nodes.append(helper.make_node("MatMul", [last, f"weights_{number}"], [f"product_{number}"]))
        last = f"product_{number}"
        if number < len(widths) - 2:
            nodes.append(helper.make_node("Relu", [last], [f"hidden_{number}"]))
            last = f"hidden_{number}"
    nodes.append(helper.make_node("Softmax", [last], [output], axis=1))
    graph = helper.make_graph(
        nodes,
        "random",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, widths[0]])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, widths[-1]])],
        weights,
    )
    return bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()
    )
