"""Small real bundles: a model that tells two-by-two images apart."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from portfolio.bundle.bundle import Bundle, write_bundle
from portfolio.bundle.manifest import InputField, Lineage, Manifest, Origin, Output, Reference
from portfolio.bundle.policy import Policy, Prices
from portfolio.bundle.store import Store
from tests.workspace import TOY

ZEROS = "0" * 64


def tiny_model(bias: float) -> bytes:
    """Softmax of a 4 x 2 projection plus a bias for the second class."""
    weights = np.array([[1, -1], [0.5, -0.5], [-1, 1], [-0.5, 0.5]], dtype=np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["input_0", "weights"], ["product"]),
            helper.make_node("Add", ["product", "bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "tiny",
        [helper.make_tensor_value_info("input_0", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([0, bias], dtype=np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


MADE = Origin(git_commit="abc", dirty=False, config_sha256=ZEROS)
# The machine answers from a probability of 0.9 on: below, an error is expected to cost more than a check.
CAREFUL = Policy(prices=Prices(by_hand_yen=6, check_yen=2, error_yen=20))


def tiny_bundle(folder: Path, bias: float = 0.0, version: int | None = None, policy: Policy | None = CAREFUL) -> Bundle:
    """A bundle that tells two-by-two images apart."""
    raw = tiny_model(bias)
    golden = [[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]]
    logits = np.array(golden) @ np.array([[1, -1], [0.5, -0.5], [-1, 1], [-0.5, 0.5]]) + [0, bias]
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    manifest = Manifest(
        use_case=TOY,
        candidate="tiny",
        inputs=(
            InputField(
                name="pixels",
                kind="image",
                description="ink",
                shape=(2, 2),
                minimum=0,
                maximum=16,
                example=[1, 2, 3, 4],
            ),
        ),
        output=Output(task="classification", name="side", classes=("left", "right")),
        policy=policy,
        reference={"pixels": Reference(edges=(1.0,), shares=(0.5, 0.5), missing_share=0)},
        golden_inputs={"pixels": golden},
        golden_outputs=expected.tolist(),
        lineage=Lineage(trained=MADE, evaluated=MADE, data_sha256=ZEROS, model_version=version),
        model_sha256=hashlib.sha256(raw).hexdigest(),
    )
    write_bundle(folder, raw, manifest)
    return Bundle.open(folder)


def publish(store: Store, folder: Path, *, version: int, bias: float = 0.0) -> str:
    bundle = tiny_bundle(folder, bias, version)
    return store.publish(folder, bundle.manifest).digest
