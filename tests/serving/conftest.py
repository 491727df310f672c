"""A server of the tiny bundle, in this process; and the best bundles of use cases whose stages have run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from starlette.testclient import TestClient

from portfolio.bundle.bundle import Bundle, write_bundle
from portfolio.bundle.manifest import InputField, Lineage, Manifest, Output, Reference
from portfolio.bundle.store import Store
from portfolio.core.paths import Paths
from serving.app import create_app
from serving.front.front import Front
from serving.services import Services
from tests.tiny import CAREFUL, MADE, ZEROS, publish
from tests.workspace import SHAPES, TOY


@pytest.fixture
def client(store: Store, tmp_path: Path) -> Iterator[TestClient]:
    """Serves version 1. Two-by-two images, in which "left" is where the upper half has more ink."""
    publish(store, tmp_path / "one", version=1)
    with TestClient(create_app()) as client:
        yield client


def table_model() -> bytes:
    """The probabilities of a missing age, or one below 50, and of others. Its texts do not matter."""
    graph = helper.make_graph(
        [
            helper.make_node("Less", ["middle", "input_0"], ["is_old"]),
            helper.make_node("Where", ["is_old", "high", "low"], ["old"]),
            helper.make_node("Sub", ["one", "old"], ["young"]),
            helper.make_node("Concat", ["young", "old"], ["probabilities"], axis=1),
        ],
        "table",
        [
            helper.make_tensor_value_info("input_0", TensorProto.FLOAT, [None, 1]),
            helper.make_tensor_value_info("input_1", TensorProto.STRING, [None, 1]),
            helper.make_tensor_value_info("input_2", TensorProto.STRING, [None, 1]),
        ],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
        [
            numpy_helper.from_array(np.array(value, dtype=np.float32), name)
            for name, value in {"middle": 50, "high": 0.99, "low": 0.01, "one": 1}.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString())


def table_bundle(folder: Path, unsure_marks: Literal["", ",", ",."] = "") -> Bundle:
    """A bundle that takes a number, a category and a text, each of which may be missing."""
    age = InputField(name="age", kind="number", minimum=0, maximum=120, nullable=True, example=30.0)
    raw = table_model()
    manifest = Manifest(
        use_case=TOY,
        candidate="table",
        inputs=(
            age.model_copy(update={"unsure_marks": unsure_marks}),
            InputField(name="town", kind="category", categories=("A", "B"), nullable=True, example="A"),
            InputField(name="note", kind="text", nullable=True, example="good"),
        ),
        output=Output(task="classification", name="side", classes=("left", "right")),
        policy=CAREFUL,
        reference={
            "age": Reference(edges=(30.0,), shares=(0.5, 0.5), missing_share=0),
            "town": Reference(categories=("A", "B"), shares=(0.5, 0.5), missing_share=0),
            "note": Reference(edges=(4.0,), shares=(0.5, 0.5), missing_share=0),
        },
        golden_inputs={"age": [30.0, 80.0], "town": ["A", "B"], "note": ["good", "bad"]},
        golden_outputs=[[0.99, 0.01], [0.01, 0.99]],
        lineage=Lineage(trained=MADE, evaluated=MADE, data_sha256=ZEROS, model_version=1),
        model_sha256=hashlib.sha256(raw).hexdigest(),
    )
    write_bundle(folder, raw, manifest)
    return Bundle.open(folder)


@pytest.fixture
def table_client(store: Store, tmp_path: Path) -> Iterator[TestClient]:
    """Serves a table's bundle as version 1."""
    bundle = table_bundle(tmp_path / "table")
    store.publish(bundle.folder, bundle.manifest)
    with TestClient(create_app()) as client:
        yield client


def services(client: TestClient) -> Services:
    """The parts of the server behind a test client."""
    assert isinstance(client.app, Front)
    found: Services = client.app.app.state.services
    return found


def example(client: TestClient) -> Any:
    """The request that a server shows as an example."""
    document = client.get("/openapi.json").json()
    return document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]


def best_bundle(folder: Path, use_case: str) -> Bundle:
    """The bundle of the candidate that the evaluation in this workspace named the best."""
    with chdir(folder):
        return Bundle.open(folder / Paths(use_case).best_folder())


@pytest.fixture(scope="session")
def shapes(built_once: Callable[[str], Path]) -> Bundle:
    """Pictures, eight by eight, of an I, an L or an O."""
    return best_bundle(built_once(SHAPES), SHAPES)
