"""The one function that finds use cases: folders of `use_cases/` in the current folder, which is the repository's root.

They are imported from there and from nowhere else, so a worktree or a queued experiment runs its own.
"""

from __future__ import annotations

import difflib
import importlib
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import ClassVar, get_args, get_origin, get_type_hints

from portfolio.contract.checks import check
from portfolio.contract.declaration import check_fact
from portfolio.contract.use_case import USE_CASES, UseCase
from portfolio.core.errors import ConfigError, PortfolioError
from portfolio.core.spelling import meant

MODULE = "use_case"


def use_case_names() -> list[str]:
    """The use cases that have a folder here."""
    return sorted(path.parent.name for path in USE_CASES.glob(f"*/{MODULE}.py"))


def load_use_case(name: str) -> UseCase:
    """The use case of that name, checked.

    Raises ConfigError, saying what is wrong and what to do, for all that can be known to be wrong without its data.
    """
    use_case = find_use_case(name)
    check(use_case)
    return use_case


def find_use_case(name: str) -> UseCase:
    """The use case of that name, unchecked. Raises ConfigError if there is none, or if its module can't be imported."""
    names = use_case_names()
    if not names:
        raise ConfigError(
            f"There is no {USE_CASES}/NAME/{MODULE}.py in {Path.cwd()}. Run this in the repository's root, or add one."
        )
    if name not in names:
        raise no_use_case(name, names)
    if not name.isidentifier():
        raise ConfigError(
            f"{USE_CASES}/{name}: the folder is a Python package, so its name must consist of letters, digits and "
            "underscores. Rename it, its config, and its word in params.yaml."
        )
    return _class(name)(name)


def no_use_case(name: str, names: Sequence[str]) -> ConfigError:
    """What to say of a name that none of the use cases has."""
    near = difflib.get_close_matches(name, names, 1)
    meant = f" Did you mean '{near[0]}'?" if near else ""
    return ConfigError(f"There is no use case '{name}'.{meant} There are: {', '.join(names)}.")


def _class(name: str) -> type[UseCase]:
    """The class that its module defines."""
    path = USE_CASES / name / f"{MODULE}.py"
    try:
        module = _imported(name)
    except PortfolioError as error:
        raise ConfigError(f"{path}: {error}") from error
    except Exception as error:  # whatever a user's code may raise
        raise ConfigError(f"{_place(error) or path}: {type(error).__name__}: {_reason(error)}") from error
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, UseCase) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise ConfigError(f"{path} must define one class derived from Table, Images or Text; it defines {len(found)}.")
    lacking = [fact for fact in ("source", "target", "inputs") if not hasattr(found[0], fact)]
    if lacking:
        near = {fact: meant(fact, vars(found[0])) for fact in lacking}
        hints = [f" Did you mean '{fact}' by '{name}'?" for fact, name in near.items() if name]
        raise ConfigError(
            f"{path}: the class {found[0].__name__} lacks {', '.join(lacking)}. Declare them in its body."
            + "".join(hints)
        )
    _check_facts(path, found[0])
    return found[0]


def _check_facts(path: Path, kind: type[UseCase]) -> None:
    """Raise ConfigError for a fact that is of another type than the base says, such as a text in place of a list."""
    for fact, hint in get_type_hints(UseCase).items():
        value = getattr(kind, fact, None)
        # A property says more only of an instance.
        if value is not None and not hasattr(value, "__get__"):
            check_fact(path, fact, value, get_args(hint)[0] if get_origin(hint) is ClassVar else hint)


def _place(error: Exception) -> str:
    """The file of a use case and the line in it where the error arose; empty if it was elsewhere."""
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        places.append((error.filename or "", error.lineno))
    own = [(Path(file), line) for file, line in places if Path(file).is_relative_to(USE_CASES.absolute())]
    return f"{own[-1][0].relative_to(Path.cwd())}, line {own[-1][1]}" if own else ""


def _reason(error: Exception) -> str:
    return (error.msg if isinstance(error, SyntaxError) else str(error)).strip() or "no reason given"


def _imported(name: str) -> ModuleType:
    package, folder = USE_CASES.name, USE_CASES.absolute()
    if list(getattr(sys.modules.get(package), "__path__", [])) != [str(folder)]:
        # None yet, or those of another checkout.
        for known in [known for known in sys.modules if known == package or known.startswith(f"{package}.")]:
            del sys.modules[known]
        _add_package(package, folder)
    if f"{package}.{name}" not in sys.modules:
        _add_package(f"{package}.{name}", folder / name)
    return importlib.import_module(f"{package}.{name}.{MODULE}")


def _add_package(name: str, folder: Path) -> None:
    """Make the folder a package under that name, whatever the interpreter's path: so it is this tree's."""
    package = ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package
