import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.external_data_helper import set_external_data

from bench import random_model
from portfolio.bundle.bundle import Bundle, write_bundle
from portfolio.bundle.manifest import MANIFEST_NAME, MODEL_NAME, read_manifest
from portfolio.core.errors import BundleError
from tests.tiny import tiny_bundle


def test_a_bundle_gives_probabilities(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "bundle")
    found = bundle.predict({"pixels": np.array([[4, 3, 2, 1]], dtype=np.float32)})
    assert found.shape == (1, 2)
    assert found[0, 0] > 0.9


def test_every_flipped_byte_is_refused(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "bundle").folder
    good = (folder / MODEL_NAME).read_bytes()
    for position in range(0, len(good), 7):
        bad = bytearray(good)
        bad[position] ^= 1
        (folder / MODEL_NAME).write_bytes(bad)
        with pytest.raises(BundleError, match="SHA-256"):
            Bundle.open(folder)


@pytest.mark.parametrize("name", [MODEL_NAME, MANIFEST_NAME])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = tiny_bundle(tmp_path / "bundle").folder
    (folder / name).unlink()
    with pytest.raises(BundleError, match=name):
        Bundle.open(folder)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("golden_outputs", [[0.5, 0.5], [0.5, 0.5]], "golden"),
        ("golden_outputs", [], "golden"),
        ("golden_inputs", {"pixels": [[1.0]]}, "golden"),
        ("manifest_version", 1, "manifest_version"),
        ("surprise", 1, "surprise"),
    ],
)
def test_a_manifest_that_does_not_hold_is_refused(tmp_path: Path, key: str, value: object, message: str) -> None:
    folder = tiny_bundle(tmp_path / "bundle").folder
    manifest = json.loads((folder / MANIFEST_NAME).read_text())
    manifest[key] = value
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=message):
        Bundle.open(folder)


def test_fields_that_are_not_the_graphs_are_refused(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "bundle").folder
    manifest = json.loads((folder / MANIFEST_NAME).read_text())
    (field,) = manifest["inputs"]
    narrower = {**field, "shape": [1, 2], "example": [1, 2]}
    text = {"name": "pixels", "kind": "category", "categories": ["a"]}
    for inputs in ([narrower], [text], [field, {**field, "name": "more"}], []):
        (folder / MANIFEST_NAME).write_text(json.dumps(manifest | {"inputs": inputs}))
        with pytest.raises(BundleError, match="inputs"):
            Bundle.open(folder)


def test_golden_inputs_of_another_name_are_refused(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "bundle").folder
    manifest = json.loads((folder / MANIFEST_NAME).read_text())
    manifest["inputs"][0]["name"] = "points"
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="golden inputs fail"):
        Bundle.open(folder)


def test_a_model_that_takes_its_weights_from_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest would not hold for them. It is refused also where the file is there and right."""
    folder = random_model.make(tmp_path / "bundle", tiny_bundle(tmp_path / "tiny"), widths=(64,)).folder
    model = onnx.load(folder / MODEL_NAME)
    for name in ("weights.bin", "../weights.bin", str(tmp_path / "weights.bin")):
        outside = onnx.ModelProto.FromString(model.SerializeToString())
        weights = outside.graph.initializer[0]
        (tmp_path / "weights.bin").write_bytes(weights.raw_data)
        size = len(weights.raw_data)
        set_external_data(weights, name, 0, size)
        weights.ClearField("raw_data")
        raw = outside.SerializeToString()
        manifest, _ = read_manifest(folder)
        write_bundle(folder, raw, manifest.model_copy(update={"model_sha256": hashlib.sha256(raw).hexdigest()}))
        for current in (tmp_path, folder):
            monkeypatch.chdir(current)
            with pytest.raises(BundleError, match="can't load it"):
                Bundle.open(folder)
