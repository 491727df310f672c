"""Pictures in a folder by class: `cats/1.jpg`, `dogs/2.png`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar
from unicodedata import normalize

import numpy as np

from portfolio.bundle.manifest import InputField
from portfolio.bundle.pictures import PictureError, Pixels, read_pixels
from portfolio.contract.declaration import declaration
from portfolio.contract.fields import Image
from portfolio.contract.sources import Source, first_day, is_to_come, waiting
from portfolio.core.errors import ConfigError, SourceError
from portfolio.core.labels import declared

if TYPE_CHECKING:
    import polars as pl

KEY, PICTURE, LABEL, SUBJECT = "path", "picture", "label", "subject"
# Eight rows stand in a bundle's manifest, which must stay small enough to be read at a server's start.
MAX_PIXELS_SCALED = 224 * 224
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
# What systems put beside pictures unasked.
OF_SYSTEMS = {"thumbs.db", "desktop.ini", "__macosx"}
NAMED = 3
"""How many files are named of those that are left out for one reason."""
IN_TURN = 256
"""How many files are given to the threads at a time."""

Given = TypeVar("Given")
Found = TypeVar("Found")


@dataclass(frozen=True)
class PictureFile:
    """A file that may be a picture. `within` is its path below the folder of its day, or below the whole folder."""

    path: Path
    key: str
    within: str

    @property
    def label(self) -> str:
        return self.within.split("/")[0]


@declaration
class Pictures(Source):
    """A folder of pictures by class: PNG, JPEG, GIF, BMP, WebP or TIFF. A row has these columns:

        path      "cats/1.jpg", the path below the folder
        picture   height x width numbers of 0 to 255, row by row; in `colour`, red, green and blue of each pixel
        label     "cats", the name of the class's folder

    Pictures are scaled to `height` and `width`. `folder` is relative to the project's folder, and holds

        cats/1.jpg                the first batch, of the day `start`
        2026-01-31/cats/2.jpg     the batch of that day

    As a collected batch never changes, new pictures come in a folder of their own day. Folders below a class's belong
    to it. `subject` is a regular expression whose first group finds in a path such as "cats/tom_1.jpg" whom or what a
    picture shows: r"/(.+)_" finds "tom". Pictures of one subject are in the same split; it is in a column `subject`.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        height: int,
        width: int,
        colour: bool = True,
        start: date | str | None = None,
        subject: str = "",
    ) -> None:
        super().__init__(key=KEY, split_by=[SUBJECT] if subject else [])
        if height < 1 or width < 1 or height * width > MAX_PIXELS_SCALED:
            raise ConfigError(
                f"height={height}, width={width}: both must be at least 1, and their product at most "
                f"{MAX_PIXELS_SCALED:,} pixels, as of 224 x 224. Pictures are scaled to that size."
            )
        self.folder, self._height, self._width = Path(folder).expanduser(), height, width
        self._channels: Literal[1, 3] = 3 if colour else 1
        self._start = first_day(start)
        try:
            self._subject = re.compile(subject) if subject else None
        except re.error as error:
            raise ConfigError(f"subject={subject!r} is not a regular expression ({error}).") from error
        if self._subject is not None and not self._subject.groups:
            raise ConfigError(f'subject={subject!r} has no group. Put what names the subject in brackets: r"/(.+)_".')
        self._notes: list[str] = []

    @property
    def image(self) -> InputField:
        """What these pictures are as an input: `inputs = [source.image]`."""
        return Image(PICTURE, self._height, self._width, 255, step=1, channels=self._channels, photo=True)

    @property
    def known_columns(self) -> list[str]:
        return [KEY, PICTURE, LABEL, *self.split_columns]

    def dates(self) -> list[date]:
        return sorted(day for day in self._days() if not is_to_come(day))

    def read(self, days: list[date]) -> dict[date, pl.DataFrame]:
        return dict(self.batches(days))

    def batches(self, days: list[date]) -> Iterator[tuple[date, pl.DataFrame]]:
        """The batches one after the other. A day of which no file is a picture has none."""
        found = self._days()
        left_out: dict[str, list[str]] = {}
        self._notes = []
        for day in days:
            files, pixels = self._decoded(found.get(day, []), left_out)
            if files:
                yield day, self._frame(files, pixels)
        self._notes = told(left_out)

    def notes(self) -> list[str]:
        return self._notes

    def late(self, batches: dict[date, Path]) -> list[str]:
        import polars as pl

        found = self._days()
        lines = [waiting(files[0].path, day) for day, files in found.items() if is_to_come(day)]
        for day, path in batches.items():
            collected = set(pl.read_parquet(path, columns=[KEY]).to_series())
            # Those that were left out when it was collected are still there, too.
            late, _ = self._decoded([file for file in found.get(day, []) if file.key not in collected], {})
            if late:
                count = "1 picture" if len(late) == 1 else f"{len(late):,} pictures"
                lines.append(
                    f"{count} came after the batch of {day} was collected, which never changes: {late[0].path}, for "
                    f"one. Move what is new to the folder of another day, such as {self.folder}/{_free_day(found)}/"
                    f"{late[0].label}; or replace the batch with portfolio recollect {self.use_case}"
                )
        return lines

    def faults(self, labels: Collection[str]) -> list[str]:
        """Why its pictures can't be collected, or would be left out as being of none of the classes: a text each."""
        found = {}
        try:
            self._days()
        except SourceError as error:
            found[""] = str(error)
        for place in _class_folders(self.folder):
            label = normalize("NFC", place.name)
            if label not in found and declared(label, labels) not in labels:
                found[label] = (
                    f"{place} is of a class that the target does not have. Add '{label}' to its labels, or move the "
                    f"folder out of {self.folder}."
                )
        return list(found.values())

    def _days(self) -> dict[date, list[PictureFile]]:
        """The files by the day of their batch. Raises SourceError if there are none, or it is not clear which."""
        days: dict[date, list[PictureFile]] = {}
        for day, file in picture_files(self.folder):
            if day is None and self._start is None:
                raise SourceError(
                    f"{file.path} is in no folder of a day, such as {self.folder}/2026-01-31/{file.label}. Move it "
                    'there, or give such pictures a day: start="2026-01-31".'
                )
            days.setdefault(day or self._start, []).append(file)  # type: ignore[arg-type]
        if not days:
            raise SourceError(f"{self.folder} has no picture in it. Put some there by class, such as cats/1.jpg.")
        if (self._start is not None) and len({file.within != file.key for file in days.get(self._start, [])}) > 1:
            raise SourceError(
                f'start="{self._start}" is the day of the pictures that are in no folder of a day, and there is also '
                f"the folder {self.folder}/{self._start}. Rename the folder, or choose another start."
            )
        return days

    def _decoded(
        self, files: list[PictureFile], left_out: dict[str, list[str]]
    ) -> tuple[list[PictureFile], list[Pixels]]:
        """Those that are pictures, with their pixels; the others are added to `left_out`, by reason."""
        good: list[PictureFile] = []
        decoded: list[Pixels] = []
        for file, pixels in zip(files, in_turn(self._pixels, files), strict=True):
            if isinstance(pixels, str):
                left_out.setdefault(pixels, []).append(file.key)
            else:
                good.append(file)
                decoded.append(pixels)
        return good, decoded

    def _pixels(self, file: PictureFile) -> Pixels | str:
        """The pixels of a file, or why it has none."""
        if reason := misplaced(file):
            return reason
        try:
            return read_pixels(file.path, self._height, self._width, self._channels)
        except PictureError as error:
            return str(error)

    def _frame(self, files: list[PictureFile], pixels: list[Pixels]) -> pl.DataFrame:
        import polars as pl

        flat = np.stack(pixels).reshape(len(pixels), -1)
        columns = {
            KEY: [file.key for file in files],
            PICTURE: pl.Series(flat, dtype=pl.Array(pl.UInt8, flat.shape[1])),
            LABEL: [file.label for file in files],
        }
        if self._subject is not None:
            found = [self._subject.search(file.within) for file in files]
            if not any(found):
                raise SourceError(
                    f"subject={self._subject.pattern!r} matches no path. Correct it; a path is {files[0].within}."
                )
            columns[SUBJECT] = pl.Series([match and match[1] for match in found], dtype=pl.String)
        return pl.DataFrame(columns)


def _free_day(days: Collection[date]) -> date:
    """The first day from today on of which there is no batch."""
    day = date.today()
    while day in days:
        day += timedelta(days=1)
    return day


def picture_files(folder: Path) -> list[tuple[date | None, PictureFile]]:
    """Every file of a folder that may be a picture, by its path, with the day in whose folder it is.

    Raises SourceError if there is no such folder, or a name in it can't be used.
    """
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "does not exist"
        raise SourceError(f"{folder} {what}. It must be a folder with one folder for each class, such as cats/1.jpg.")

    def failed(error: OSError) -> None:
        raise SourceError(f"{error.filename} can't be read ({error.strerror}). Check its permissions.") from error

    found, seen = [], set()
    for place, folders, names in os.walk(folder, onerror=failed, followlinks=True):
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in seen:
            # A link to a folder above it.
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = [name for name in folders if not _is_of_system(name)]
        for name in names:
            path = Path(place, name)
            # A link to nothing is told when it can't be read.
            if _is_of_system(name) or not (path.is_file() or path.is_symlink()):
                continue
            # As a Mac writes accents and kana, they are two characters; everywhere else, and in the key, one.
            key = normalize("NFC", path.relative_to(folder).as_posix())
            try:
                key.encode()
            except UnicodeEncodeError:
                raise SourceError(f"The name of {os.fsencode(path)!r} is not UTF-8. Rename the file.") from None
            first, _, below = key.partition("/")
            day = _day_of(folder, first) if below else None
            found.append((day, PictureFile(path, key, below if day else key)))
    return sorted(found, key=lambda one: one[1].key)


def _class_folders(folder: Path) -> list[Path]:
    """Those in the folder itself, and in each that is named like a day."""
    found = _folders_in(folder)
    days = [place for place in found if DAY.fullmatch(place.name)]
    return [place for place in found if place not in days] + [place for day in days for place in _folders_in(day)]


def _folders_in(folder: Path) -> list[Path]:
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [place for place in found if place.is_dir() and not _is_of_system(place.name) and _has_files(place)]


def _has_files(folder: Path) -> bool:
    return any(not _is_of_system(name) for _, _, names in os.walk(folder, followlinks=True) for name in names)


def misplaced(file: PictureFile) -> str:
    """Why it belongs to no class; empty if it does to one."""
    return "" if "/" in file.within else "is not in any class's folder; move it into one"


def told(left_out: dict[str, list[str]]) -> list[str]:
    """A line for each reason for which files are left out."""
    lines = []
    for reason, keys in left_out.items():
        more = f" and {len(keys) - NAMED:,} more" if len(keys) > NAMED else ""
        lines.append(f"left out: {', '.join(keys[:NAMED])}{more}: {'each ' if len(keys) > 1 else ''}{reason}")
    return lines


def in_turn(call: Callable[[Given], Found], given: Iterable[Given]) -> Iterator[Found]:
    """What the call gives, in the same order, from a few threads: Pillow decodes outside of Python's lock."""
    waiting = iter(given)
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as threads:
        while some := list(islice(waiting, IN_TURN)):
            yield from threads.map(call, some)


def _is_of_system(name: str) -> bool:
    return name.startswith(".") or name.lower() in OF_SYSTEMS


def _day_of(folder: Path, name: str) -> date | None:
    """The day that a folder is named by."""
    if not DAY.fullmatch(name):
        return None
    try:
        return date.fromisoformat(name)
    except ValueError:
        raise SourceError(f"{folder}/{name} is named like a day, but there is no such day. Rename it.") from None
