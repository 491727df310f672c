"""What is in a folder of pictures by class, before it is a source."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np

from portfolio.bundle.pictures import PictureError, opened, read_pixels
from portfolio.contract.picture_files import PictureFile, in_turn, misplaced, picture_files, told
from portfolio.core.errors import SourceError

# Some hundredths of a percent of damaged files are not found by so many, but they are left out when they are collected.
SAMPLE = 400
PROPOSED_SIDE = 32
SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation"}
# Red, green and blue differ by more than this in some pixels of a picture in colour, and in none of a grey one: JPEG is
# not exact.
COLOURFUL = 24
COLOURFUL_SHARE = 0.05


@dataclass(frozen=True)
class PictureFolder:
    """What is in a folder of pictures by class, and how it may be declared."""

    folder: Path
    classes: dict[str, int]
    """Pictures by class, in the order of the names."""
    without_pictures: list[str]
    """Folders of classes, of whose files none can be read as a picture."""
    days: list[date]
    """Those that have a folder."""
    has_plain: bool
    """Whether there are pictures in no folder of a day, which need a `start`."""
    formats: dict[str, int]
    """Pictures by format, the most common first."""
    heights: tuple[int, int, int]
    """The least, the median and the greatest, in pixels."""
    widths: tuple[int, int, int]
    colour: bool
    left_out: dict[str, list[str]]
    """Files that are no pictures, or are damaged, by reason."""
    decoded: int
    """How many of the pictures were decoded to their end; of the others the header was read."""
    height: int
    """Proposed."""
    width: int

    @property
    def pictures(self) -> int:
        return sum(self.classes.values())

    @property
    def doubts(self) -> list[str]:
        """What does not look like classes, and the remedy: a sentence each."""
        if {name.lower() for name in self.classes} <= SPLITS:
            return [
                f"{', '.join(self.classes)} look like splits and not like classes. The project splits by itself: move "
                "the folders of the classes out of them, so that each class has one."
            ]
        if len(self.classes) > 1:
            return []
        (only,) = self.classes
        return [
            f"All pictures are in {self.folder / only}, and so of one class. Put those of each class into a folder of "
            f"their own; if {only} has such folders in it, name {self.folder / only} instead."
        ]


def look_into(folder: Path) -> PictureFolder:
    """Read the header of every file, and decode a sample. Raises SourceError if there is no picture in it."""
    listed = picture_files(folder)
    left_out: dict[str, list[str]] = {}
    good: list[tuple[date | None, PictureFile, str, int, int]] = []
    for (day, file), head in zip(listed, in_turn(_head, [file for _, file in listed]), strict=True):
        if isinstance(head, str):
            left_out.setdefault(head, []).append(file.key)
        else:
            good.append((day, file, *head))
    # Evenly over the whole folder, so that each class is in it.
    sample = good[:: max(1, len(good) // SAMPLE)]
    damaged, colourful = set(), 0
    for (_, file, *_), found in zip(sample, in_turn(_is_colourful, [file for _, file, *_ in sample]), strict=True):
        if isinstance(found, str):
            left_out.setdefault(found, []).append(file.key)
            damaged.add(file.key)
        else:
            colourful += found
    good = [one for one in good if one[1].key not in damaged]
    if not good:
        reasons = "".join(f"\n  {line}" for line in told(left_out))
        raise SourceError(f"{folder} has no picture in it. Put some there by class, such as cats/1.jpg.{reasons}")
    heights, widths = sorted(one[3] for one in good), sorted(one[4] for one in good)
    height, width = _proposed(int(median(heights)), int(median(widths)))
    classes = Counter(file.label for _, file, *_ in good)
    return PictureFolder(
        folder=folder,
        classes=dict(sorted(classes.items())),
        without_pictures=sorted({file.label for _, file in listed if not misplaced(file)} - set(classes)),
        days=sorted({day for day, *_ in good if day is not None}),
        has_plain=any(day is None for day, *_ in good),
        formats=dict(Counter(form for _, _, form, _, _ in good).most_common()),
        heights=(heights[0], int(median(heights)), heights[-1]),
        widths=(widths[0], int(median(widths)), widths[-1]),
        colour=colourful > COLOURFUL_SHARE * len(sample),
        left_out=left_out,
        decoded=len(sample) - len(damaged),
        height=height,
        width=width,
    )


def _head(file: PictureFile) -> tuple[str, int, int] | str:
    """Format, height and width, or why it is left out."""
    if reason := misplaced(file):
        return reason
    try:
        with opened(file.path) as picture:
            return str(picture.format), picture.height, picture.width
    except PictureError as error:
        return str(error)


def _is_colourful(file: PictureFile) -> bool | str:
    """Whether there is colour in it, or why it is left out."""
    try:
        pixels = read_pixels(file.path, PROPOSED_SIDE, PROPOSED_SIDE, 3).astype(np.int16)
    except PictureError as error:
        return str(error)
    return bool(((pixels.max(axis=2) - pixels.min(axis=2)) > COLOURFUL).mean() > COLOURFUL_SHARE)


def _proposed(height: int, width: int) -> tuple[int, int]:
    """The size itself if it is small; else at most PROPOSED_SIDE a side, in about the same proportions."""
    longer = max(height, width)
    if longer <= PROPOSED_SIDE:
        return height, width
    # Multiples of 4, as convolutions halve them.
    return tuple(max(8, round(side * PROPOSED_SIDE / longer / 4) * 4) for side in (height, width))  # type: ignore[return-value]
