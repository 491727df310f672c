"""A use case of pictures, from a folder of them by class."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from portfolio.contract.picture_files import LABEL, told
from portfolio.core.counted import counted
from portfolio.core.errors import ConfigError, DataError
from portfolio.profiling import adding
from portfolio.profiling.draft import MIN_ROWS
from portfolio.profiling.picture_folder import PictureFolder
from portfolio.profiling.writing import TODO, class_name, prices_text, python_call, python_text


def described(found: PictureFolder) -> Iterator[str]:
    """What is in the folder, in a line each."""
    (low, middle, high), (narrow, medium, wide) = found.heights, found.widths
    formats = ", ".join(f"{count:,} {name}" for name, count in found.formats.items())
    yield f"{found.pictures:,} pictures {'in colour' if found.colour else 'in grey'}: {formats}"
    yield f"sizes: {low} x {narrow} to {high} x {wide} pixels, most about {middle} x {medium}"
    yield "classes: " + ", ".join(f"{name} ({count:,})" for name, count in found.classes.items())
    yield from told(found.left_out)
    yield from found.doubts
    yield f"They are scaled to {found.height} x {found.width}: enough to begin with, and quick to train on."


def check(found: PictureFolder) -> None:
    """Raise DataError where nothing can be learnt."""
    if found.without_pictures:
        places = " or ".join(str(found.folder / label) for label in found.without_pictures)
        raise DataError(
            f"Nothing can be learnt of each class: no file in {places} can be read as a picture (the reasons are "
            f"above). Export them as JPEG, or move the folder out of {found.folder}."
        )
    if len(found.classes) < 2:
        raise DataError(
            f"All pictures in {found.folder} are of one class, '{next(iter(found.classes))}'. A model needs two or "
            "more, each in a folder of its own, such as cats/1.jpg and dogs/1.jpg."
        )
    if found.pictures < MIN_ROWS:
        raise DataError(
            f"{found.folder} has {counted(found.pictures, 'picture')}. At least {MIN_ROWS} are needed, to train on "
            "some and test on others; a few hundred for a result that says much."
        )


def write(name: str, found: PictureFolder, positive: str) -> list[Path]:
    """Copy the pictures, write the use case's files, and check them. On any error nothing of it is left."""
    if positive and positive not in found.classes:
        raise ConfigError(f"--positive: there is no class '{positive}'. There are: {', '.join(found.classes)}.")

    def use_case_text() -> str:
        folder = Path("data") / name / "pictures"
        shutil.copytree(found.folder, folder, copy_function=_link_or_copy)
        return _use_case_text(name, folder, found, positive)

    rare = min(found.classes, key=lambda label: found.classes[label])
    return adding.write_files(name, use_case_text, lambda: prices_text(rare, found.classes))


def _use_case_text(name: str, folder: Path, found: PictureFolder, positive: str) -> str:
    labels = [label for label in found.classes if label != positive] + ([positive] if positive else [])
    arguments = [python_text(str(folder)), f"height={found.height}", f"width={found.width}"]
    if not found.colour:
        arguments.append("colour=False")
    if found.has_plain:
        first = min([date.today(), *found.days])
        arguments.append(f'start="{first if first not in found.days else date.fromordinal(first.toordinal() - 1)}"')
    shown = ", ".join(f"{label} ({count:,})" for label, count in found.classes.items())
    lines = [
        f'"""{TODO}: say in one line what is predicted, and for whom. One row is a picture; the classes are:',
        "",
        shown.replace("\\", "\\\\").replace('"""', "'''"),
        '"""',
        "",
        "from portfolio.contract import Classes, Images, Pictures",
        "",
        "",
        f"class {class_name(name)}(Images):",
        *python_call(f"source = Pictures({', '.join(arguments)})", 4),
        *python_call(f"target = Classes({python_text(LABEL)}, [{', '.join(map(python_text, labels))}])", 4),
        "    inputs = [source.image]",
    ]
    return "\n".join(lines) + "\n"


def _link_or_copy(source: str, target: str) -> None:
    """A second name for the same bytes, which takes no space; on another disk, a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
