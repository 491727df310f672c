"""A folder of pictures by class, drawn for tests: signs in colour, and what lies among pictures that people collect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIGNS = {"circle": (200, 30, 40), "square": (30, 60, 200), "triangle": (240, 200, 30)}
"""The classes, and what colour each has mostly."""
FOLDER = Path("pictures")
FORMS = ("png", "jpg", "gif", "bmp", "webp", "tif")


def sign(label: str, seed: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """One sign somewhere on noise; every fifth has the colour of another class, so that the shape counts too."""
    random = np.random.default_rng([seed, len(label)])
    picture = Image.fromarray(random.integers(90, 170, (size[1], size[0], 3), dtype=np.uint8))
    colours = list(SIGNS.values()) if seed % 5 == 0 else [SIGNS[label]]
    colour = tuple(int(part) for part in np.clip(random.choice(colours) + random.integers(-25, 26, 3), 0, 255))
    side = int(min(size) * random.uniform(0.5, 0.8))
    left, top = (int(random.integers(0, length - side)) for length in size)
    box = (left, top, left + side, top + side)
    pencil = ImageDraw.Draw(picture)
    if label == "circle":
        pencil.ellipse(box, fill=colour)
    elif label == "square":
        pencil.rectangle(box, fill=colour)
    else:
        pencil.polygon([(left, top + side), (left + side, top + side), (left + side // 2, top)], fill=colour)
    return picture


def draw_signs(folder: Path, each: int, first: int = 0) -> None:
    """So many pictures of each class, in several formats."""
    for label in SIGNS:
        (folder / label).mkdir(parents=True, exist_ok=True)
        for seed in range(first, first + each):
            sign(label, seed).save(folder / label / f"{seed:05d}.{FORMS[seed % len(FORMS)]}")


def save(path: str, colour: str = "red", size: tuple[int, int] = (12, 9)) -> None:
    """A picture of one colour in FOLDER."""
    (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(FOLDER / path)
