"""Where a use case's files lie: adding one, removing one, giving one another name."""

from __future__ import annotations

import io
import keyword
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from portfolio.contract.config import config_path
from portfolio.contract.loading import no_use_case, use_case_names
from portfolio.contract.use_case import USE_CASES
from portfolio.core import files
from portfolio.core.environment import state_folder
from portfolio.core.errors import ConfigError
from portfolio.core.paths import PARAMS, Paths, listed_use_cases

MAX_NAME = 60


def check_new_name(name: str) -> None:
    """Raise ConfigError if no use case can have that name, or if something of that name is there already."""
    if not name.isidentifier() or keyword.iskeyword(name) or not name[0].isalpha():
        proposed = "".join(character if character.isalnum() else "_" for character in name).strip("_")
        if proposed and proposed[0].isdigit():
            proposed = f"data_{proposed}"
        hint = f" For example: {proposed}" if proposed.isidentifier() and not keyword.iskeyword(proposed) else ""
        raise ConfigError(
            f"'{name}' can't be the name of a use case: it becomes a Python package, so it must consist of letters, "
            f"digits and underscores, begin with a letter, and not be a word of Python's own.{hint}"
        )
    if len(name.encode()) > MAX_NAME:
        raise ConfigError(f"The name has {len(name.encode())} bytes; up to {MAX_NAME} are allowed. Shorten it.")
    if taken := places_there(name):
        raise ConfigError(
            f"{taken[0]} is there already, and nothing is overwritten. Choose another name, or remove what is there: "
            f"portfolio remove {name}"
        )


def files_folder(name: str) -> Path:
    """Where the files of a use case are dropped that has them on this machine."""
    return Path("data") / name / "files"


def _places(name: str) -> list[Path]:
    """All that belongs to a use case in the tree."""
    paths = Paths(name)
    return [
        USE_CASES / name,
        config_path(name),
        Path("data") / name,
        paths.metrics("").parent,
        *_champion(paths),
        paths.models,
        paths.report,
        paths.plots,
    ]


@contextmanager
def alone() -> Iterator[None]:
    """Be the only one to change which use cases there are: params.yaml is read, changed and written as a whole."""
    with files.alone(state_folder() / "locks" / "params.lock", f"another change of {PARAMS}"):
        yield


@contextmanager
def added(name: str) -> Iterator[None]:
    """Take back all that is written of a new use case, if an error or an interrupt comes in between."""
    with alone():
        # Another may have come in the meantime, which must not be taken back for one's own.
        check_new_name(name)
        was_listed = name in listed_use_cases()
        try:
            yield
        except BaseException:
            # Where nothing could be written, nothing can be deleted. The error to be told of is the first.
            for place in _places(name):
                with suppress(OSError):
                    _delete(place)
            if not was_listed:
                with suppress(OSError):
                    _change_list(lambda names: _without(names, name))
            raise


def list_use_case(name: str) -> None:
    """Add the name to params.yaml, keeping its comments. To be called while it is `added`."""
    _change_list(lambda names: None if name in names else names.append(name))


def _without(names: list[str], name: str) -> None:
    if name in names:
        names.remove(name)


def places_there(name: str) -> list[Path]:
    """What there is of a use case in the tree; nothing of a name such as `..`, which leads out of it."""
    if not name.isidentifier():
        return []
    return [place for place in _places(name) if place.exists()]


def check_idle(name: str) -> None:
    """Raise ConfigError while a run works on the files of a use case."""
    lock = Paths(name).lock("run")
    if lock.exists() and files.is_held(lock):
        raise ConfigError(f"A run of '{name}' is under way, and works on its files. Wait until it ends, or stop it.")


def remove(name: str) -> None:
    """Delete all that belongs to a use case in the tree, and its word in params.yaml."""
    with alone():
        _change_list(lambda names: _without(names, name))
        _forget_stages(name)
        _forget_champion(name)
        for place in _places(name):
            _delete(place)


def rename(old: str, new: str) -> None:
    """Give a use case another name. Models, reports and plots are left to be made anew, as they bear the old one.

    Raises ConfigError if there is no such use case, if it is being worked on, or if none can have the new name.
    """
    _check_renaming(old, new)
    with alone():
        # Who was waited for may have changed either.
        _check_renaming(old, new)
        paths = Paths(old)
        named = [paths.models, paths.report, paths.plots, *_champion(paths)]
        pairs = zip(_places(old), _places(new), strict=True)
        with _moved([(place, target) for place, target in pairs if place.exists() and place not in named]):
            _change_list(lambda names: _renamed(names, old, new))
        _follow_data(USE_CASES / new / "use_case.py", old, new)
        # What DVC knows of the old stages names the old paths: they run anew.
        _forget_stages(old)
        _forget_champion(old)
        for place in (*named, Paths(new).verdict):
            _delete(place)


def _check_renaming(old: str, new: str) -> None:
    if not places_there(old):
        raise no_use_case(old, use_case_names())
    check_new_name(new)
    check_idle(old)


@contextmanager
def _moved(pairs: list[tuple[Path, Path]]) -> Iterator[None]:
    """Move each place to its target; back again, if one of them or what follows fails."""
    done = []
    try:
        for place, target in pairs:
            place.rename(target)
            done.append((place, target))
        yield
    except BaseException:
        for place, target in done:
            with suppress(OSError):
                target.rename(place)
        raise


def _renamed(names: list[str], old: str, new: str) -> None:
    names[:] = [new if name == old else name for name in names]


def _follow_data(path: Path, old: str, new: str) -> None:
    """Let the declared source follow its files, which lie in the folder of the use case's data."""
    if path.exists():
        text = path.read_text(encoding="utf-8")
        files.write_text(path, re.sub(rf"""(["'])data/{re.escape(old)}/""", rf"\1data/{new}/", text))


def _champion(paths: Paths) -> list[Path]:
    """The champion's bundle, and what DVC keeps of it in git."""
    return [paths.champion, paths.champion.with_name(f"{paths.champion.name}.dvc")]


def _delete(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _change_list(change: Callable[[list[str]], object]) -> None:
    """Change the list in params.yaml, keeping its comments. Raises ConfigError if it is damaged."""
    from ruamel.yaml import YAML

    listed_use_cases()
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 10_000
    content = yaml.load(PARAMS.read_text(encoding="utf-8"))
    names = content["use_cases"]
    change(names)
    # An empty list is written as [], and would stay in that style.
    names.fa.set_block_style()
    written = io.StringIO()
    yaml.dump(content, written)
    files.write_text(PARAMS, written.getvalue())


def _forget_champion(name: str) -> None:
    """Take the champion's folder out of the list of what git leaves to DVC."""
    ignored = Path("champions") / ".gitignore"
    if ignored.exists():
        lines = ignored.read_text(encoding="utf-8").splitlines(keepends=True)
        files.write_text(ignored, "".join(line for line in lines if line.strip() != f"/{name}"))


def _forget_stages(name: str) -> None:
    """Take the use case's stages out of DVC's locks, which would keep their entries for good."""
    for lock in (Path("dvc.lock"), Path("studies") / "dvc.lock"):
        if not lock.exists():
            continue
        kept, lines = True, []
        for line in lock.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.startswith("  ") and not line.startswith("   "):
                kept = not line.rstrip().endswith((f"@{name}:", f"-{name}:"))
            elif not line.startswith(" "):
                kept = True
            if kept:
                lines.append(line)
        # DVC takes `stages:` with nothing under it for a damaged file.
        if lines[-1].strip() == "stages:":
            lines[-1] = "stages: {}\n"
        files.write_text(lock, "".join(lines))
