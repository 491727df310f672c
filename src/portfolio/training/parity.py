"""Whether an exported graph gives the same answers as the model it comes from."""

from __future__ import annotations

import numpy as np

from portfolio.bundle.bundle import answer_differences, in_parts, rows_at_once
from portfolio.bundle.manifest import tensor_names
from portfolio.contract.use_case import UseCase
from portfolio.core.errors import BundleError
from portfolio.core.types import Array

# Between float32 graphs and the models they come from: of probabilities, or of values relative to their size.
PARITY_TOLERANCE = 1e-3


def run_graph(raw: bytes, use_case: UseCase, inputs: dict[str, Array]) -> Array:
    """What a serialized graph answers to inputs [rows, width] by name: float32 [rows, classes] or [rows, 1]."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    # skl2onnx leaves weights that nothing uses, of which ONNX Runtime would warn on the terminal.
    options.log_severity_level = 3
    session = ort.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    tensors = tensor_names(len(use_case.inputs))
    feed = {tensor: inputs[field.name] for tensor, field in zip(tensors, use_case.inputs, strict=True)}
    outputs = [use_case.output.tensor]
    return in_parts(lambda part: np.asarray(session.run(outputs, part)[0]), feed, rows_at_once(use_case.inputs))


def check_parity(name: str, raw: bytes, use_case: UseCase, inputs: dict[str, Array], expected: Array) -> float:
    """The largest difference between the graph's answers and the expected ones, [rows, ...].

    Raises BundleError, naming the candidate, if it is more than float32 explains.
    """
    found = run_graph(raw, use_case, inputs)
    expected = np.asarray(expected, dtype=np.float64).reshape(found.shape)
    worst = float(np.max(answer_differences(use_case.output, found, expected)))
    if not worst <= PARITY_TOLERANCE:
        raise BundleError(
            f"The exported graph of '{name}' differs from its model by {worst:.2g} (allowed: {PARITY_TOLERANCE}). If "
            "that is nan, training diverged: lower train.learning_rate. Else its export is wrong: choose another "
            "estimator or change its options."
        )
    return worst
