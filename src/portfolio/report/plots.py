"""The plots that MLflow shows beside a candidate's metrics, as PNG files."""

from __future__ import annotations

from pathlib import Path

from portfolio.bundle.manifest import Output
from portfolio.core.types import Array
from portfolio.report import charts


def training(path: Path, history: list[dict[str, float]], best_epoch: int) -> None:
    """The losses by epoch."""
    columns = {name: [row[name] for row in history] for name in ("epoch", "train_loss", "val_loss")}
    words = {name: name for name in ("epoch", "loss", "validation")}
    words |= {"train": "training", "kept": f"epoch {best_epoch}, which is kept"}
    charts.losses(columns, best_epoch, words).png(path, "Loss by epoch")


def predictions(path: Path, output: Output, targets: Array, predicted: Array, answers: Array) -> None:
    """Answers against targets [rows]: the confusion matrix of classes, or a scatter of the predicted values."""
    title = f"{output.name}\npredicted against actual, {len(targets):,} test rows"
    unit = f" ({output.unit})" if output.unit else ""
    words = {"actual": f"actual{unit}", "predicted": f"predicted{unit}", "perfect": "a perfect prediction"}
    words["common_errors"] = "test rows, actual → predicted ({shown} of {errors} errors)"
    if output.task == "classification":
        drawn = charts.confusion(output.classes, targets, answers, words)
    else:
        drawn = charts.scatter(targets, predicted[:, 0], words)
    drawn.png(path, title)
