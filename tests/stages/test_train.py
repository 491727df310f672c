import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import pytest

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import MODEL_NAME
from portfolio.contract.loading import load_use_case
from portfolio.core import files
from portfolio.core.paths import Paths
from portfolio.data.dataset import load_split
from portfolio.evaluation.calibration import softened
from portfolio.training import network
from tests.workspace import QUICK_EPOCHS, ROOT, edit_config, run_stage

Built = Callable[[str], Path]


def test_the_metrics_are_those_of_the_best_epoch(built: Built) -> None:
    built("toy")
    metrics = json.loads(Paths("toy").metrics("train").read_text())
    with (Paths("toy").plots / "training.csv").open() as stream:
        epochs = list(csv.DictReader(stream))
    best = min(epochs, key=lambda row: float(row["val_loss"]))
    assert len(epochs) == metrics["epochs"] == QUICK_EPOCHS
    assert float(best["epoch"]) == metrics["best_epoch"]
    assert float(best["val_loss"]) == pytest.approx(metrics["val_loss"])
    assert float(best["train_loss"]) == pytest.approx(metrics["train_loss"])
    # Of classes, the loss that training makes small is the log loss.
    assert metrics["fitted"]["val"] == pytest.approx(metrics["val_loss"], rel=1e-3)
    assert metrics["fitted"]["train"] != pytest.approx(metrics["train_loss"], rel=1e-3)


def test_the_bundle_gives_the_validation_loss_that_training_saw(built: Built) -> None:
    built("toy")
    val = load_split(load_use_case("toy"), "val")
    bundle = Bundle.open(Paths("toy").models / "network")
    # The graph is calibrated; what training saw was not. The smallest probabilities do not survive the way there.
    probabilities = softened(bundle.predict(val.inputs), 1 / bundle.manifest.temperature)
    loss = -np.log(probabilities[np.arange(len(val)), val.targets]).mean()
    assert loss == pytest.approx(json.loads(Paths("toy").metrics("train").read_text())["val_loss"], rel=1e-2)


def test_the_same_run_twice_gives_the_same_bytes(built: Built) -> None:
    built("toy")
    model = Paths("toy").models / "network" / "model.onnx"
    metrics = Paths("toy").metrics("train")
    before = (files.sha256(model), metrics.read_text())
    run_stage("train", "toy")
    assert (files.sha256(model), metrics.read_text()) == before
    edit_config("toy", train={"seed": 8})
    run_stage("train", "toy")
    assert (files.sha256(model), metrics.read_text()) != before


def test_only_the_same_run_is_resumed(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints lie in a folder of their own for each config, data and code."""
    built("toy")
    folders: list[Path] = []

    def stopped(*arguments: Any, **callbacks: Any) -> None:
        folders.append(arguments[-1])
        raise InterruptedError

    monkeypatch.setattr(network, "fit", stopped)

    def folder() -> Path:
        with pytest.raises(InterruptedError):
            run_stage("train", "toy")
        return folders[-1]

    found = [folder()]
    assert folder() == found[0]
    edit_config("toy", train={"learning_rate": 0.02})
    found.append(folder())
    edit_config("toy", network={"hidden": 9})
    found.append(folder())
    rows = Paths("toy").splits / "train.parquet"
    pl.read_parquet(rows)[1:].write_parquet(rows)
    found.append(folder())
    change_code()
    found.append(folder())
    assert len(set(found)) == len(found)


def change_code() -> None:
    """Change the network that the use case brings."""
    module = load_use_case("toy").folder / "use_case.py"
    text = module.read_text()
    assert "nn.ReLU()" in text
    module.write_text(text.replace("nn.ReLU()", "nn.Tanh()"))


def test_nothing_is_left_of_the_checkpoints(built: Built) -> None:
    folder = built("toy")
    assert [path for path in (folder / ".state").rglob("*.ckpt")] == []


def test_a_graph_says_nothing_of_the_folder_that_it_was_made_in(built: Built) -> None:
    """Or the same model would be other bytes in another checkout, and the path would be published with it."""
    built("toy")
    for folder in Paths("toy").fitted().values():
        raw = (folder / MODEL_NAME).read_bytes()
        for path in (Path.cwd(), ROOT, Path(sys.prefix)):
            assert str(path).encode() not in raw
        assert not any(node.metadata_props for node in onnx.load_from_string(raw).graph.node)
