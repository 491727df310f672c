"""All plots. The report has them as SVG whose words the browser sets in its own font: sharp on a phone, in print, in
Japanese; DVC and MLflow have some as PNG.

The colours can be told apart by the colour-blind (Okabe and Ito 2008). `words` are the labels in one language.
"""

from __future__ import annotations

import io
import os
import warnings
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import numpy as np

from portfolio.core.environment import state_folder

# Its list of fonts; it would go into the home folder.
os.environ.setdefault("MPLCONFIGDIR", str(state_folder() / "matplotlib"))

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator
from rich.cells import cell_len

from portfolio.core import files
from portfolio.core.types import Array
from portfolio.monitoring.looks import Look
from portfolio.monitoring.timeline import Moment

MAX_CLASSES_IN_TABLE, COMMON_ERRORS = 20, 15
# From here on, white can be read better than black on the colour of a cell.
DARK = 0.7
CELLS_BELOW_TABLE = 45
"""So many characters stand side by side there; a Chinese or Japanese one takes two cells."""
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#767676"
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "portfolio",
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "legend.frameon": False,
    # A class may be called "$5-$10".
    "text.parse_math": False,
}


class Chart:
    """A plot. Draw on `figure` and `axes`, then call `svg` or `png`."""

    def __init__(self, figure: Figure, axes: Axes) -> None:
        self.figure = figure
        self.axes = axes

    def legend(self, columns: int = 2, **options: Any) -> None:
        """Above the plot: inside, it would hide a point of some use case."""
        self.figure.legend(loc="outside upper center", ncols=columns, **options)

    def svg(self) -> str:
        stream = io.StringIO()
        self._save(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        text = stream.getvalue()
        return text[text.index("<svg") :]

    def png(self, path: Path, title: str) -> None:
        self.axes.set_title(title, loc="left")
        with files.replaced(path) as partial:
            # Without the version of matplotlib, the same plot gives the same file.
            self._save(partial, format="png", dpi=120, metadata={"Software": None})

    def _save(self, to: Any, **options: Any) -> None:
        with matplotlib.rc_context(cast(Any, STYLE)), warnings.catch_warnings():
            # Only the widths of Japanese characters are guessed; the browser draws them.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            self.figure.savefig(to, **options)
        pyplot.close(self.figure)


class PlainLog(LogFormatter):
    """Plain numbers where a log scale would have powers of ten, which are drawn as formulas."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:,.6g}" if super().__call__(x, pos) else ""


@contextmanager
def chart(width_inches: float = 7, height_inches: float = 3.6) -> Iterator[Chart]:
    with matplotlib.rc_context(cast(Any, STYLE)):
        yield Chart(*pyplot.subplots(figsize=(width_inches, height_inches), layout="constrained"))


def values(candidates: dict[str, Any], best: str, value_label: str) -> Chart:
    """Each candidate's value with its interval, the best in colour. `candidates`: name to (value, low, high)."""
    names = sorted(candidates, key=lambda name: candidates[name][0])
    with chart(7, 0.8 + 0.45 * len(names)) as drawn:
        for row, name in enumerate(names):
            value, low, high = candidates[name]
            colour = BLUE if name == best else GREY
            drawn.axes.plot([low, high], [row, row], color=colour, linewidth=2.5, solid_capstyle="round")
            drawn.axes.plot(value, row, "o", color=colour, markersize=8)
        drawn.axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
        drawn.axes.set(xlabel=value_label, ylim=(-0.6, len(names) - 0.4))
        drawn.axes.xaxis.set_major_formatter("{x:,.0f}")
        drawn.axes.grid(axis="y", visible=False)
    return drawn


def policy(curve: dict[str, list[float]], share: float, value: float, words: dict[str, str]) -> Chart:
    """Value against the share of rows that the machine answers, most confident first; a marker shows the policy.

    `share` and `value` are the policy's own on the test rows.
    """
    with chart() as drawn:
        for split, colour, marker in (("val", ORANGE, "s"), ("test", BLUE, "o")):
            drawn.axes.plot(curve["share"], curve[split], color=colour, marker=marker, markersize=4, label=words[split])
        drawn.axes.plot(share, value, "D", color="#1b1f24", markersize=9, label=words["policy"], zorder=5)
        drawn.axes.set(xlabel=words["share"], ylabel=words["value"])
        drawn.axes.xaxis.set_major_formatter("{x:.0%}")
        drawn.axes.yaxis.set_major_formatter("{x:,.0f}")
        # If trusting every answer costs far more than anything else, the rest would be a flat line.
        best = max(max(curve["val"]), max(curve["test"]))
        worst = min(min(curve["val"]), min(curve["test"]))
        if best > 0 and worst < -2 * best:
            drawn.axes.set_ylim(-2 * best, best * 1.15)
        drawn.legend(columns=3)
    return drawn


def calibration(bins: dict[str, list[float]], words: dict[str, str]) -> Chart:
    """How often the model is right, against how confident it is; larger points stand for more rows."""
    with chart(5, 4) as drawn:
        drawn.axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", label=words["perfect"])
        sizes = 20 + 300 * np.array(bins["rows"]) / max(bins["rows"])
        drawn.axes.scatter(bins["confidence"], bins["accuracy"], s=sizes, color=BLUE, alpha=0.7, label=words["found"])
        drawn.axes.set(xlabel=words["confidence"], ylabel=words["accuracy"], xlim=(0, 1.05), ylim=(-0.05, 1.08))
        drawn.legend(markerscale=0.4)
    return drawn


def precision_recall(curve: dict[str, Any], words: dict[str, str]) -> Chart:
    """How many of the rows that are taken for a class are of it, against how many of its rows are found."""
    with chart(5, 4) as drawn:
        drawn.axes.axhline(curve["by_chance"], color=GREY, linestyle=":", label=words["by_chance"])
        drawn.axes.plot(curve["recall"], curve["precision"], color=BLUE, label=words["found"])
        drawn.axes.set(xlabel=words["recall"], ylabel=words["precision"], xlim=(0, 1.02), ylim=(0, 1.05))
        drawn.legend()
    return drawn


def losses(history: dict[str, list[float]], best_epoch: int, words: dict[str, str]) -> Chart:
    """The losses by epoch; the gap between them is what overfitting looks like."""
    with chart() as drawn:
        drawn.axes.plot(history["epoch"], history["train_loss"], color=ORANGE, linestyle="--", label=words["train"])
        drawn.axes.plot(history["epoch"], history["val_loss"], color=BLUE, label=words["validation"])
        drawn.axes.axvline(best_epoch, color=GREY, linestyle=":", label=words["kept"])
        drawn.axes.set(xlabel=words["epoch"], ylabel=words["loss"], yscale="log")
        drawn.axes.yaxis.set_major_formatter(PlainLog())
        drawn.axes.yaxis.set_minor_formatter(PlainLog(labelOnlyBase=False))
        drawn.legend(columns=3)
    return drawn


def confusion(classes: tuple[str, ...], targets: Array, chosen: Array, words: dict[str, str]) -> Chart:
    """Counts of predicted against actual classes. Errors stand out in colour; correct answers are plain numbers.

    With more classes than such a table can show, the most common errors.
    """
    size = len(classes)
    if size > MAX_CLASSES_IN_TABLE:
        return _common_errors(classes, targets, chosen, words)
    counts = np.zeros((size, size), dtype=int)
    np.add.at(counts, (targets, chosen), 1)
    with chart(5.5, 5) as drawn:
        shown = np.where(np.eye(size, dtype=bool), 0, counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
        depth = np.sqrt(shown)
        drawn.axes.imshow(depth, cmap="Oranges", vmin=0, vmax=1)
        for actual, predicted in zip(*counts.nonzero(), strict=True):
            style: dict[str, Any] = {
                "fontweight": "normal" if actual == predicted else "bold",
                "color": "white" if depth[actual, predicted] > DARK else "black",
            }
            drawn.axes.text(predicted, actual, str(counts[actual, predicted]), ha="center", va="center", **style)
        # Side by side, long names would run into each other.
        is_wide = size * max(map(cell_len, classes)) > CELLS_BELOW_TABLE
        slanted: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if is_wide else {}
        drawn.axes.set_xticks(range(size), classes, **slanted)
        drawn.axes.set_yticks(range(size), classes)
        drawn.axes.grid(visible=False)
        drawn.axes.set(xlabel=words["predicted"], ylabel=words["actual"])
    return drawn


def _common_errors(classes: tuple[str, ...], targets: Array, chosen: Array, words: dict[str, str]) -> Chart:
    wrong = targets != chosen
    pairs, counts = np.unique(np.column_stack([targets, chosen])[wrong], axis=0, return_counts=True)
    shown = np.argsort(-counts, kind="stable")[:COMMON_ERRORS][::-1]
    with chart(5.5, 1.2 + 0.3 * len(shown)) as drawn:
        drawn.axes.barh(range(len(shown)), counts[shown], color=ORANGE)
        names = [" → ".join(classes[number] for number in pairs[row]) for row in shown]
        drawn.axes.set_yticks(range(len(shown)), names)
        drawn.axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        drawn.axes.set(xlabel=words["common_errors"].format(shown=counts[shown].sum(), errors=counts.sum()))
        drawn.axes.grid(axis="y", visible=False)
    return drawn


def study(found: dict[str, Any], name: str, words: dict[str, str]) -> Chart:
    """The median loss, called so, of each point with its range: by size where they have an order, else side by side."""
    metric, points = found["metrics"][0], found["points"]
    size = {"learning-curve": "train_rows", "capacity": "parameters"}.get(found["study"])
    sides = {
        "train": (ORANGE, "s", words["train"]),
        "val": (BLUE, "o", words["validation"]),
        "test": (BLUE, "o", words["test"]),
    }
    lines = [(side, *style) for side, style in sides.items() if side in points[0]]
    with chart(7, 3.6 if size else 1.2 + 0.5 * len(points)) as drawn:
        for side, colour, marker, label in lines:
            values = [point[side][metric] for point in points]
            low, middle, high = (np.array([f(v) for v in values]) for f in (min, np.median, max))
            if size:
                at = [point[size] for point in points]
                drawn.axes.plot(at, middle, color=colour, marker=marker, markersize=4, label=label)
                drawn.axes.fill_between(at, low, high, color=colour, alpha=0.2, linewidth=0)
            else:
                apart = 0.12 if side == "train" else -0.12 if side == "val" else 0
                rows = np.arange(len(points))[::-1] + apart
                drawn.axes.hlines(rows, low, high, color=colour, linewidth=2.5)
                drawn.axes.plot(middle, rows, marker, color=colour, markersize=6, label=label)
        if size:
            drawn.axes.set(xscale="log", ylabel=name, xlabel=words[size])
            drawn.axes.set_xticks(at, [f"{number:,}" for number in at])
            drawn.axes.minorticks_off()
            drawn.axes.yaxis.set_major_formatter("{x:,.6g}")
            if 3 * drawn.axes.dataLim.ymin < drawn.axes.dataLim.ymax:
                drawn.axes.set_ylim(bottom=0)
        else:
            drawn.axes.set_yticks(range(len(points))[::-1], [point["name"].replace("_", " ") for point in points])
            drawn.axes.set_xlabel(name)
            drawn.axes.xaxis.set_major_formatter("{x:,.6g}")
            drawn.axes.grid(axis="y", visible=False)
        drawn.legend()
    return drawn


def production(looks: Sequence[Look], moments: Sequence[Moment], words: dict[str, str]) -> Chart:
    """The value of 1,000 rows by the end of each look's window; what happened meanwhile as vertical lines.

    Of each version a line of its own.
    """
    styles = {"promised": (GREY, ""), "estimated": (ORANGE, "s"), "seen": (BLUE, "o")}
    labelled = set()
    with chart() as drawn:
        for _, of_version in groupby(looks, key=lambda look: look.digest):
            values = [(look.end, look.figures.get("yen_per_1000") or {}) for look in of_version]
            for kind, (colour, marker) in styles.items():
                found = [(end, value[kind]) for end, value in values if value.get(kind) is not None]
                if not found:
                    continue
                label = None if kind in labelled else words[kind]
                labelled.add(kind)
                times = np.array([end for end, _ in found])
                if kind == "promised":
                    drawn.axes.plot(times, [yen for _, yen in found], color=colour, linestyle="--", label=label)
                    continue
                middle, low, high = ([one[name] for _, one in found] for name in ("value", "low", "high"))
                drawn.axes.plot(times, middle, color=colour, marker=marker, markersize=3, label=label)
                drawn.axes.fill_between(times, low, high, color=colour, alpha=0.15, linewidth=0)
        for moment in moments:
            drawn.axes.axvline(cast(Any, moment.at), color=GREY, linestyle=":", linewidth=1)
        drawn.axes.set(ylabel=words["value"])
        drawn.axes.yaxis.set_major_formatter("{x:,.0f}")
        locator = drawn.axes.xaxis.get_major_locator()
        drawn.axes.xaxis.set_major_formatter(cast(Any, ConciseDateFormatter)(locator, tz=UTC))
        if labelled:
            drawn.legend(columns=3)
    return drawn


def scatter(targets: Array, predicted: Array, words: dict[str, str]) -> Chart:
    """Predicted against actual values, as shares of the rows: thousands of points would make the page heavy."""
    with chart(5.5, 5) as drawn:
        grid = drawn.axes.hexbin(targets, predicted, gridsize=40, bins="log", cmap="Blues", mincnt=1, linewidths=0)
        grid.set_rasterized(True)
        ends = [float(min(targets.min(), predicted.min())), float(max(targets.max(), predicted.max()))]
        drawn.axes.plot(ends, ends, color=ORANGE, label=words["perfect"])
        drawn.axes.set(xlabel=words["actual"], ylabel=words["predicted"])
        drawn.axes.xaxis.set_major_formatter("{x:,.0f}")
        drawn.axes.yaxis.set_major_formatter("{x:,.0f}")
        drawn.axes.tick_params(axis="x", rotation=30)
        drawn.legend()
    return drawn


def drawing(pixels: Array) -> str:
    """One drawing [height, width] of 0 (paper) to 1 (ink), as SVG squares."""
    height, width = pixels.shape
    cells = "".join(
        f'<rect x="{column}" y="{row}" width="1.02" height="1.02" fill-opacity="{pixels[row, column]:.2f}"/>'
        for row in range(height)
        for column in range(width)
        if pixels[row, column] > 0.01
    )
    return f'<svg class="image" viewBox="0 0 {width} {height}" role="img">{cells}</svg>'


def photo(pixels: Array) -> str:
    """One photo [height, width, channels] of 0 (dark) to 1 (bright), as a PNG file inside the page."""
    from PIL import Image

    values = np.round(255 * pixels).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values[:, :, 0] if values.shape[2] == 1 else values).save(stream, "PNG")
    encoded = b64encode(stream.getvalue()).decode()
    return f'<img class="image" alt="" src="data:image/png;base64,{encoded}">'
