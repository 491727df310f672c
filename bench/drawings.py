"""Drawn digits, as somebody with a mouse or a finger would make them, and the share of them that is read correctly.

    python -m bench.drawings        # writes metrics/drawings.json and prints a table

It measures the first use case of params.yaml that has one image as its input and the classes 0 to 9.

The digits are drawn by a seeded generator: strokes of several ways to write each one, bent, slanted, turned, stretched,
at any place and size, with thin pens and thick ones. To them come the test split's own images, enlarged and moved. Each
picture goes through `serving.protocols.pictures` to the champion's bundle, as a PNG file, the way the server takes it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from math import cos, radians, sin, tan
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from rich.console import Console
from rich.table import Table

from bench.subject import champion, is_image_classifier, one_message
from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import InputField
from portfolio.contract.loading import load_use_case
from portfolio.contract.use_case import UseCase
from portfolio.core.errors import ConfigError
from portfolio.core.paths import PARAMS, Paths, listed_use_cases
from portfolio.data.dataset import load_split
from serving.protocols.pictures import read_picture

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "metrics" / "drawings.json"
DRAWINGS = 2000
# The drawings that pictures.py was worked out on have other seeds.
SEED = 20_000

Points = list[tuple[float, float]]
Floats = npt.NDArray[np.float64]


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float, steps: int = 10) -> Points:
    """Part of an ellipse round (x, y). Degrees run clockwise from three o'clock."""
    angles = [radians(start + (end - start) * number / steps) for number in range(steps + 1)]
    return [(x + rx * cos(angle), y + ry * sin(angle)) for angle in angles]


# Ways to write each digit: strokes in a box from (0, 0) at the top left to (1, 1). Each is drawn as a smooth curve
# through its points; a point that is there twice makes a corner.
WAYS: dict[str, list[list[Points]]] = {
    "0": [[arc(0.5, 0.5, 0.5, 0.5, -90, 270, 14)], [arc(0.5, 0.5, 0.42, 0.5, -60, 310, 14)]],
    "1": [
        [[(0.5, 0), (0.5, 1)]],
        [[(0.2, 0.25), (0.5, 0), (0.5, 0), (0.5, 1)]],
        [[(0.2, 0.25), (0.5, 0), (0.5, 0), (0.5, 1)], [(0.2, 1), (0.8, 1)]],
    ],
    "2": [
        [[*arc(0.5, 0.28, 0.48, 0.28, -170, 40, 8), (0.5, 0.7), (0, 1), (0, 1), (1, 1)]],
        [[(0.05, 0.2), (0.4, 0), (0.9, 0.2), (0.7, 0.55), (0.05, 1), (0.05, 1), (0.95, 0.97)]],
    ],
    "3": [
        [[*arc(0.45, 0.25, 0.45, 0.25, -150, 90, 8), *arc(0.45, 0.74, 0.53, 0.26, -90, 150, 8)]],
        [[(0.1, 0), (0.9, 0), (0.9, 0), (0.45, 0.4), (0.45, 0.4), *arc(0.45, 0.7, 0.5, 0.3, -80, 150, 8)]],
    ],
    "4": [
        [[(0.6, 0), (0, 0.65), (0, 0.65), (1, 0.65)], [(0.7, 0.3), (0.7, 1)]],
        [[(0.1, 0), (0.05, 0.5), (0.05, 0.5), (0.9, 0.5)], [(0.8, 0), (0.75, 1)]],
        [[(0.75, 1), (0.75, 0), (0.75, 0), (0, 0.7), (0, 0.7), (1, 0.7)]],
    ],
    "5": [
        [[(0.9, 0), (0.15, 0), (0.15, 0), (0.1, 0.45), (0.1, 0.45), *arc(0.45, 0.68, 0.5, 0.32, -110, 150, 9)]],
        [[(0.15, 0), (0.1, 0.45), (0.1, 0.45), *arc(0.45, 0.68, 0.5, 0.32, -110, 150, 9)], [(0.15, 0), (0.95, 0)]],
    ],
    "6": [
        [[(0.8, 0), (0.3, 0.25), (0.03, 0.65), *arc(0.5, 0.72, 0.47, 0.28, 170, -190, 12)]],
        [[(0.6, 0), (0.15, 0.4), (0.05, 0.75), (0.45, 1), (0.9, 0.8), (0.6, 0.52), (0.1, 0.7)]],
    ],
    "7": [
        [[(0, 0), (1, 0), (1, 0), (0.35, 1)]],
        [[(0, 0), (1, 0), (1, 0), (0.35, 1)], [(0.3, 0.5), (0.9, 0.5)]],
        [[(0, 0.15), (0, 0), (0, 0), (1, 0), (1, 0), (0.55, 0.5), (0.4, 1)]],
    ],
    "8": [
        [arc(0.5, 0.25, 0.4, 0.25, 90, 450, 12), arc(0.5, 0.75, 0.5, 0.25, -90, 270, 12)],
        [[(0.85, 0.12), (0.5, 0), (0.12, 0.22), (0.5, 0.48), (0.92, 0.76), (0.5, 1), (0.08, 0.76), (0.5, 0.48), (0.88, 0.22), (0.85, 0.12)]],  # noqa: E501
    ],
    "9": [
        [[*arc(0.5, 0.28, 0.45, 0.28, -20, -370, 12), (0.93, 0.5), (0.85, 1)]],
        [[*arc(0.5, 0.28, 0.45, 0.28, -20, -370, 12), (0.9, 0.65), (0.65, 0.95), (0.15, 0.97)]],
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Drawing:
    label: str
    picture: Image.Image

    def png(self) -> bytes:
        content = io.BytesIO()
        self.picture.save(content, "PNG")
        return content.getvalue()


def smooth(points: Points, steps: int = 8) -> Points:
    """A Catmull-Rom curve through the points."""
    if len(points) == 2:
        return points
    ends = [points[0], *points, points[-1]]
    curve: Points = []
    for p0, p1, p2, p3 in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        for number in range(steps):
            t = number / steps
            a, b, c, d = (
                -0.5 * t + t * t - 0.5 * t**3,
                1 - 2.5 * t * t + 1.5 * t**3,
                0.5 * t + 2 * t * t - 1.5 * t**3,
                0.5 * (t**3 - t * t),
            )
            curve.append((a * p0[0] + b * p1[0] + c * p2[0] + d * p3[0], a * p0[1] + b * p1[1] + c * p2[1] + d * p3[1]))
    return [*curve, points[-1]]


def drawing(seed: int) -> Drawing:
    """The drawing of a seed, whose last figure is the digit."""
    label = str(seed % 10)
    random = np.random.default_rng(seed)
    side = int(random.integers(200, 401))
    height = side * random.uniform(0.3, 0.85)
    width = height * (random.uniform(0.45, 0.95) if label != "1" else random.uniform(0.3, 0.6))
    pen = height * random.uniform(0.03, 0.15)
    slant, turn = tan(radians(random.normal(5, 9))), radians(random.normal(0, 5))
    ways = WAYS[label]
    strokes = [
        # Nobody hits the same points twice.
        [(x + shake[0], y + shake[1]) for (x, y), shake in zip(points, _shakes(points, random), strict=True)]
        for points in ways[int(random.integers(len(ways)))]
    ]
    placed = []
    for points in strokes:
        moved = []
        for x, y in smooth(points):
            right, down = (x - 0.5) * width - slant * (y - 0.5) * height, (y - 0.5) * height
            moved.append((right * cos(turn) - down * sin(turn), right * sin(turn) + down * cos(turn)))
        placed.append(moved)
    every = np.array([point for points in placed for point in points])
    low, high = every.min(axis=0) - pen / 2 - 1, every.max(axis=0) + pen / 2 + 1
    # Somewhere on the paper, as a whole.
    room = np.maximum(side - (high - low), 0)
    shift = random.uniform(0, 1, 2) * room - low
    picture = Image.new("L", (side, side), "white")
    pencil = ImageDraw.Draw(picture)
    for points in placed:
        line = [(x + shift[0], y + shift[1]) for x, y in points]
        pencil.line(line, fill=0, width=round(pen), joint="curve")
        for x, y in line:
            pencil.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=0)
    return Drawing(label, picture)


def _shakes(points: Points, random: np.random.Generator) -> list[Any]:
    """By how much each point is missed: the same for points at the same place."""
    at: dict[tuple[float, float], Any] = {}
    return [at.setdefault(point, random.normal(0, 0.03, 2)) for point in points]


def moved(random: np.random.Generator, ink: Floats) -> Image.Image:
    """An image of the data, as ink from 0 to 1, enlarged and put somewhere on paper."""
    factor = int(random.integers(12, 30))
    grey = Image.fromarray((255 * (1 - ink)).astype(np.uint8))
    grey = grey.resize((grey.width * factor, grey.height * factor), Image.Resampling.BICUBIC)
    left, top, right, bottom = (int(margin) for margin in random.integers(4, 60, 4))
    paper = Image.new("L", (grey.width + left + right, grey.height + top + bottom), "white")
    paper.paste(grey, (left, top))
    return paper


def drawings(number: int, first_seed: int = SEED) -> Iterator[Drawing]:
    return (drawing(seed) for seed in range(first_seed, first_seed + number))


def enlarged(images: Iterable[Any], labels: Iterable[Any], field: InputField) -> Iterator[Drawing]:
    """Images of the data, as values [height * width] of the field, as drawings."""
    random = np.random.default_rng(SEED)
    low = field.minimum or 0.0
    high = 1.0 if field.maximum is None else field.maximum
    for image, label in zip(images, labels, strict=True):
        ink = (np.array(image, dtype=np.float64).reshape(field.shape) - low) / (high - low)
        yield Drawing(str(label), moved(random, ink))


@dataclass(frozen=True)
class Reading:
    """How some drawings were read. `by_machine` and `wrong_by_machine` are shares of all of them."""

    number: int
    read_rightly: float
    by_machine: float
    wrong_by_machine: float
    by_class: dict[str, float]


def read(bundle: Bundle, drawn: Iterable[Drawing]) -> Reading:
    """Bring drawings from a file to pixels as the server does, and count what the model reads correctly."""
    manifest = bundle.manifest
    (field,) = manifest.inputs
    labels, pixels = zip(*((one.label, read_picture(manifest, one.png())) for one in drawn), strict=True)
    decisions = bundle.decider(bundle.predict({field.name: np.concatenate(pixels)}))
    right = np.array(manifest.output.classes)[decisions.answers] == np.array(labels)
    machine = decisions.by_machine
    return Reading(
        number=len(labels),
        read_rightly=round(float(right.mean()), 4),
        by_machine=round(float(machine.mean()), 4),
        wrong_by_machine=round(float((machine & ~right).mean()), 4),
        by_class={name: round(float(right[np.array(labels) == name].mean()), 4) for name in sorted(set(labels))},
    )


def use_case_of_digits() -> UseCase:
    """The first one of params.yaml that can read drawn digits. Raises ConfigError if there is none."""
    for name in listed_use_cases():
        use_case = load_use_case(name)
        takes_drawings = is_image_classifier(use_case.inputs, use_case.output) and not use_case.inputs[0].photo
        if takes_drawings and set(use_case.output.classes) == set(WAYS):
            return use_case
    raise ConfigError(
        f"None of the use cases in {PARAMS} has one image as its input and the classes {', '.join(WAYS)}, so there is "
        "nothing that could read drawn digits."
    )


def main() -> None:
    use_case = use_case_of_digits()
    bundle = champion(use_case.name)
    found = {"drawings": read(bundle, drawings(DRAWINGS))}
    if (Paths(use_case.name).splits / "test.parquet").exists():
        test = load_split(use_case, "test")
        (field,) = use_case.inputs
        labels = np.array(use_case.output.classes)[test.targets]
        found["test images, enlarged and moved"] = read(bundle, enlarged(test.inputs[field.name], labels, field))
    manifest = bundle.manifest
    result = {
        "candidate": manifest.candidate,
        "config_sha256": manifest.lineage.evaluated.config_sha256 if manifest.lineage.evaluated else None,
        "data_sha256": manifest.lineage.data_sha256,
        "seed": SEED,
        **{name: asdict(reading) for name, reading in found.items()},
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    table = Table("", "number", "read correctly", "by machine", "of all, wrong by machine")
    for name, reading in found.items():
        shares = (reading.read_rightly, reading.by_machine, reading.wrong_by_machine)
        table.add_row(name, f"{reading.number:,}", *(f"{share:.1%}" for share in shares))
    console = Console(highlight=False)
    console.print(table)
    for name, reading in found.items():
        console.print(
            f"{name}, by digit: " + "  ".join(f"{digit} {share:.0%}" for digit, share in reading.by_class.items())
        )
    console.print(f"written to {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    with one_message():
        main()
