"""Plots, as PNG files. The colours can be told apart by the colour-blind (Okabe and Ito 2008)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes

from portfolio import files
from portfolio.bundle import Array, Output

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#767676"


@contextmanager
def _axes(path: Path, title: str, width_inches: float, height_inches: float) -> Iterator[Axes]:
    figure, axes = pyplot.subplots(figsize=(width_inches, height_inches), layout="constrained")
    axes.set_title(title, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    yield axes
    with files.replaced(path) as partial:
        # Without the date and the version, the same plot is the same file.
        figure.savefig(partial, format="png", dpi=120, metadata={"Software": None})
    pyplot.close(figure)


def training(path: Path, history: list[dict[str, float]], best_epoch: int) -> None:
    """The losses by epoch; the gap between them is what overfitting looks like."""
    epochs = [row["epoch"] for row in history]
    with _axes(path, "Loss by epoch", 7, 4) as axes:
        axes.plot(epochs, [row["train_loss"] for row in history], color=ORANGE, linestyle="--", label="training")
        axes.plot(epochs, [row["val_loss"] for row in history], color=BLUE, label="validation")
        axes.axvline(best_epoch, color=GREY, linestyle=":", label=f"epoch {best_epoch}, which is kept")
        axes.set(xlabel="epoch", ylabel="loss", yscale="log")
        axes.legend(frameon=False)


def predictions(path: Path, output: Output, targets: Array, predicted: Array) -> None:
    """Predictions against targets [rows]: the confusion matrix of classes, or a scatter of values."""
    if output.task == "classification":
        _confusion(path, output, targets, predicted.argmax(axis=1))
    else:
        _scatter(path, output, targets, predicted[:, 0])


def _confusion(path: Path, output: Output, targets: Array, chosen: Array) -> None:
    size = len(output.classes)
    counts = np.zeros((size, size), dtype=int)
    np.add.at(counts, (targets, chosen), 1)
    with _axes(path, f"{output.name}: predicted against actual, {len(targets):,} test rows", 6, 5.5) as axes:
        # Mistakes are few: shades by the share of their row, on a scale that shows them beside the right answers.
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
        for actual, predicted in zip(*counts.nonzero(), strict=True):
            shade = "white" if shares[actual, predicted] > 0.4 else "black"
            axes.text(predicted, actual, str(counts[actual, predicted]), ha="center", va="center", color=shade)
        axes.set_xticks(range(size), output.classes)
        axes.set_yticks(range(size), output.classes)
        axes.set(xlabel="predicted", ylabel="actual")


def _scatter(path: Path, output: Output, targets: Array, values: Array) -> None:
    with _axes(path, f"{output.name}: predicted against actual, {len(targets):,} test rows", 6, 5.5) as axes:
        axes.scatter(targets, values, s=4, alpha=0.3, color=BLUE, linewidths=0)
        ends = [float(min(targets.min(), values.min())), float(max(targets.max(), values.max()))]
        axes.plot(ends, ends, color=ORANGE, label="a perfect prediction")
        axes.set(xlabel=f"actual ({output.unit})", ylabel=f"predicted ({output.unit})")
        axes.legend(frameon=False)
