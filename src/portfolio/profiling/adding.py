"""Adding a use case: from what the user names to its files, all of them or none."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from portfolio.contract.checks import check
from portfolio.contract.config import config_path
from portfolio.contract.folder import date_in
from portfolio.contract.sources import DOWNLOADS
from portfolio.contract.use_case import USE_CASES
from portfolio.core import files
from portfolio.core.download import download_to_pin
from portfolio.core.errors import ConfigError
from portfolio.profiling import project, writing
from portfolio.profiling.draft import Draft


@dataclass(frozen=True)
class Place:
    """Where the rows come from: a file on this machine, or on the web, with its digest."""

    path: Path
    url: str = ""
    sha256: str = ""


def place_of(text: str) -> Place:
    """What the user named, fetched if it is on the web. Raises SourceError if it can't be."""
    if text.startswith(("http://", "https://")):
        path, sha256 = download_to_pin(text, DOWNLOADS)
        return Place(path, text, sha256)
    return Place(Path(text).expanduser())


def write(name: str, found: Draft, place: Place) -> list[Path]:
    """Write the files, and check the use case that they make. On any error nothing of it is left."""
    with project.added(name):
        source = _source(name, found, place)
        written = {
            USE_CASES / name / "use_case.py": writing.use_case_text(name, found, source),
            USE_CASES / name / "card.yaml": writing.card_text(name),
            config_path(name): writing.config_text(found),
        }
        for path, text in written.items():
            files.write_text(path, text)
        project.list_use_case(name)
        from portfolio.contract.loading import load_use_case

        check(load_use_case(name))
    return list(written)


def _source(name: str, found: Draft, place: Place) -> str:
    if place.url:
        dated = {} if found.date else {"start": f'"{date.today()}"'}
        return writing.source_text(
            "Csv", [f"url={writing.python_text(place.url)}", f'sha256="{place.sha256}"'], found, **dated
        )
    folder = project.files_folder(name)
    file = place.path.name if found.date or date_in(place.path.name) else _dated(place.path, date.today())
    folder.mkdir(parents=True)
    shutil.copyfile(place.path, folder / file)
    return writing.source_text("Folder", [writing.python_text(str(folder))], found)


def _dated(path: Path, day: date) -> str:
    """The file's name with that date before its end."""
    ends = "".join(path.suffixes[-2:]) if path.name.endswith(".gz") else path.suffix
    return f"{path.name.removesuffix(ends)}-{day}{ends}"


def add_file(folder: Path, path: Path, day: date | None, *, dated: bool) -> Path:
    """Copy a file into the folder of a use case, under a name with a date unless a column dates its rows.

    Raises ConfigError if a file of that name is there already.
    """
    name = path.name if dated or date_in(path.name) else _dated(path, day or date.today())
    if day is not None and date_in(name) != day:
        name = _dated(path, day)
    target = folder / name
    if target.exists():
        raise ConfigError(
            f"{target} is there already. If the new file corrects it, put it in its place and run portfolio recollect; "
            "if it is another batch, give it another date: --date 2026-01-31"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with files.replaced(target) as partial:
        shutil.copyfile(path, partial)
    return target
