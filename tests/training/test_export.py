from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import nn

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import InputField, Lineage
from portfolio.bundle.reference import reference
from portfolio.contract.format import Format
from portfolio.contract.loading import load_use_case
from portfolio.contract.use_case import UseCase
from portfolio.core.errors import BundleError, DataError
from portfolio.core.paths import Paths
from portfolio.core.types import Array
from portfolio.data.dataset import load_split, sklearn_input
from portfolio.training.export import write_candidate
from portfolio.training.network import FittedNetwork
from portfolio.training.network_graph import network_graph

Built = Callable[[str], Path]
# The weight, and a column for each colour and for none.
WIDTH = 4


def rows(case: UseCase) -> dict[str, Array]:
    """Test rows, two of them with what training did not see."""
    inputs = {name: array.copy() for name, array in load_split(case, "test").inputs.items()}
    inputs["weight"][0] = np.nan
    inputs["colour"][1] = "blue"
    inputs["colour"][2] = ""
    return inputs


@pytest.fixture
def exported(built: Built) -> tuple[UseCase, Any, nn.Module, bytes]:
    """The toy's fitted preprocessor, a network behind it, and both as one graph."""
    built("toy")
    case = load_use_case("toy")
    preprocessor = case.preprocessor().fit(sklearn_input(case, load_split(case, "train").inputs))
    torch.manual_seed(0)
    features = preprocessor.transform(sklearn_input(case, load_split(case, "val").inputs))
    assert features.shape[1] == WIDTH
    params = case.network_params.read({})
    network = nn.Sequential(case.network(params, WIDTH), nn.Softmax(dim=1))
    graph = network_graph(case.graph_features, case.output, preprocessor, network, WIDTH)
    return case, preprocessor, network, graph.SerializeToString()


def test_the_graph_from_raw_inputs_is_the_preprocessor_and_the_network(
    exported: tuple[UseCase, Any, nn.Module, bytes],
) -> None:
    case, preprocessor, network, raw = exported
    inputs = rows(case)
    session = ort.InferenceSession(raw, providers=["CPUExecutionProvider"])
    features = preprocessor.transform(sklearn_input(case, inputs)).astype(np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(features)).numpy()
    for count in (1, 2, len(expected)):
        feed = {"input_0": inputs["weight"][:count], "input_1": inputs["colour"][:count]}
        (found,) = session.run(["probabilities"], feed)
        np.testing.assert_allclose(found, expected[:count], atol=1e-6)
    assert [(node.name, node.type) for node in session.get_inputs()] == [
        ("input_0", "tensor(float)"),
        ("input_1", "tensor(string)"),
    ]


def test_a_graph_that_answers_nan_is_refused(built: Built) -> None:
    """A network that diverged."""
    built("toy")
    case = load_use_case("toy")
    train = load_split(case, "train")
    preprocessor = case.preprocessor().fit(sklearn_input(case, train.inputs))
    network = nn.Sequential(nn.Linear(WIDTH, 2), nn.Softmax(dim=1))
    nn.init.constant_(network[0].weight, float("nan"))  # type: ignore[arg-type]
    diverged = FittedNetwork(case, preprocessor, network, WIDTH, history=[], best_epoch=0, seconds=0)
    folder = Paths("toy").models / "network"
    before = (folder / "model.onnx").read_bytes()
    with pytest.raises(BundleError, match="'network' differs from its model by nan"):
        write_candidate(folder, case, load_use_case("toy").config(), diverged, train, train)
    assert (folder / "model.onnx").read_bytes() == before


@pytest.mark.parametrize(
    ("written", "marks"),
    [
        (Format(), ""),
        (Format(thousands=","), ""),
        (Format(decimal=","), ","),
        (Format(decimal=",", thousands=" "), ","),
        (Format(decimal=",", thousands="."), ",."),
    ],
)
def test_the_manifest_says_which_marks_the_files_have_otherwise(
    built: Built, written: Format, marks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built("toy")
    case = load_use_case("toy")
    monkeypatch.setattr(case.source, "written", written)
    train = load_split(case, "train")
    preprocessor = case.preprocessor().fit(sklearn_input(case, train.inputs))
    network = nn.Sequential(nn.Linear(WIDTH, 2), nn.Softmax(dim=1))
    fitted = FittedNetwork(case, preprocessor, network, WIDTH, history=[], best_epoch=0, seconds=0)
    bundle = write_candidate(tmp_path / "network", case, case.config(), fitted, train, train)
    assert [field.unsure_marks for field in bundle.manifest.inputs] == [marks, ""]
    # Where it says nothing, it is not there: no other bundle has another name for it.
    assert ("unsure_marks" in (tmp_path / "network" / "manifest.json").read_text()) == bool(marks)


def test_the_manifest_has_the_models_digest_and_no_lineage_yet(built: Built) -> None:
    built("toy")
    folder = Paths("toy").models / "network"
    manifest = Bundle.open(folder).manifest
    assert manifest.model_sha256 == hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    # Known when it is registered: to train the same again is to make the same file.
    assert manifest.lineage == Lineage()
    assert len(manifest.golden_outputs) == len(manifest.golden_inputs["weight"]) == 8


def test_the_reference_of_a_number_is_its_tenths_and_what_is_missing() -> None:
    field = InputField(name="weight", kind="number", description="kg", example=1)
    values = np.concatenate([np.arange(1000), np.full(250, np.nan)]).astype(np.float32).reshape(-1, 1)
    found = reference(field, values)
    assert found.edges == pytest.approx([100 * number - 0.5 for number in range(1, 10)])
    assert found.shares == pytest.approx([0.1] * 10)
    assert found.missing_share == pytest.approx(0.2)


def test_the_reference_of_a_number_with_few_values_has_no_empty_bin() -> None:
    field = InputField(name="weight", kind="number", description="kg", example=1)
    found = reference(field, np.array([0.0] * 90 + [5.0] * 10, dtype=np.float32).reshape(-1, 1))
    assert sum(found.shares) == pytest.approx(1)
    assert len(found.shares) == len(found.edges) + 1


def test_what_many_rows_have_lies_on_no_edge_of_a_bin() -> None:
    """A certainty of nearly 1 comes out as another one alone than among others; a drift of all rows must not follow."""
    field = InputField(name="certainty", kind="number", description="c", example=1)
    random = np.random.default_rng(0)
    values = np.concatenate([random.uniform(0.5, 0.99, 100), np.full(900, 0.9999998)]).reshape(-1, 1)
    found = reference(field, values)
    counts = [np.bincount(np.digitize(values[:, 0] + noise, found.edges)) for noise in (-2e-7, 0, 2e-7)]
    assert (counts[0] == counts[1]).all()
    assert (counts[2] == counts[1]).all()
    assert found.low is not None
    assert found.high is not None
    assert found.low <= values.min() - 2e-7
    assert found.high >= values.max() + 2e-7


def test_the_reference_of_a_category_is_its_shares() -> None:
    field = InputField(name="colour", kind="category", description="c", categories=("green", "yellow"), example="green")
    found = reference(field, np.array([["green"], ["yellow"], ["green"], [""], ["green"]], dtype=object))
    assert found.categories == ("green", "yellow")
    assert found.shares == pytest.approx([0.6, 0.2])
    assert found.missing_share == pytest.approx(0.2)


def test_a_category_that_is_not_declared_is_named() -> None:
    """As a use case lets it through whose own schema does not look."""
    field = InputField(name="colour", kind="category", description="c", categories=("0", "1"), example="0")
    with pytest.raises(DataError, match=r"'colour' has values that are none of its categories: '0\.5', 'blue'"):
        reference(field, np.array([["0"], ["blue"], ["0.5"], [""]], dtype=object))


def test_the_reference_of_an_image_is_of_its_mean_ink() -> None:
    field = InputField(name="pixels", kind="image", description="i", shape=(1, 2), example=[0, 0])
    found = reference(field, np.array([[0, 2]] * 5 + [[8, 8]] * 5, dtype=np.float32))
    assert set(found.edges) == {1, 8} or all(1 <= edge <= 8 for edge in found.edges)
    assert sum(found.shares) == pytest.approx(1)
