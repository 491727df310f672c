"""Names and types in a use case's declarations: what is misspelled or of another type is named, never ignored."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from functools import cache, wraps
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, Unpack, get_args, get_origin, get_type_hints

from pydantic import ValidationError

from portfolio.bundle.manifest import InputField
from portfolio.core.errors import ConfigError
from portfolio.core.faults import faults
from portfolio.core.spelling import meant

Made = TypeVar("Made", bound=Callable[..., Any])
NAMED = {
    float: ("a number", "numbers"),
    int: ("a whole number", "whole numbers"),
    bool: ("True or False", "booleans"),
    str: ("a text", "texts"),
    date: ("a date", "dates"),
    InputField: ("an input", 'inputs, such as [Number("age", 0, 120)]'),
}


def declaration(made: Made) -> Made:
    """A function or class of which use cases write calls, with its arguments checked against its annotations.

    The call raises ConfigError, naming what was called, for an argument that there is not, or of another type.
    """
    if isinstance(made, type):
        made.__init__ = _checked(made.__init__)  # type: ignore[misc]
        return made
    return _checked(made)  # type: ignore[return-value]


def _checked(call: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(call)

    @wraps(call)
    def checked(*args: Any, **named: Any) -> Any:
        name = _as_written(call, args)
        _check_arguments(name, _wanted(call), signature, args, named)
        try:
            return call(*args, **named)
        except ValidationError as error:
            raise ConfigError(faults(name, error, InputField)) from error

    return checked


def _as_written(call: Callable[..., Any], args: Sequence[Any]) -> str:
    """What was called, as its user wrote it, who may have derived a class: `Number("age")`."""
    of_class = call.__name__ == "__init__"
    name = type(args[0]).__name__ if of_class else call.__name__
    first = next(iter(args[of_class:]), None)
    # Nothing else is shown, such as an address with a password in it.
    is_name = next(iter(_wanted(call)), "") in ("name", "column")
    return f'{name}("{first}")' if is_name and isinstance(first, str) else name


def _check_arguments(
    name: str, wanted: dict[str, Any], signature: inspect.Signature, args: Sequence[Any], named: dict[str, Any]
) -> None:
    """Raise ConfigError for one that there is not, that is missing, or that is of another type."""
    for word in named:
        if word not in wanted:
            close = meant(word, wanted)
            hint = f": did you mean '{close}'?" if close else f". There are: {', '.join(wanted)}."
            raise ConfigError(f"{name} has no argument '{word}'{hint}")
    try:
        bound = signature.bind(*args, **named)
    except TypeError as error:
        raise ConfigError(f"{name}: {error}. Its arguments are: {', '.join(wanted)}.") from error
    for word, value in {**bound.arguments, **named}.items():
        if word in wanted and not _fits(value, wanted[word]):
            raise ConfigError(_misfit(f"{name}: {word}", word, value, wanted[word]))


@cache
def _wanted(call: Callable[..., Any]) -> dict[str, Any]:
    """The arguments with their types, those that `**written: Unpack[Written]` stands for one by one."""
    hints = get_type_hints(call)
    hints.pop("return", None)
    wanted: dict[str, Any] = {}
    for name, hint in hints.items():
        if get_origin(hint) is Unpack:
            wanted |= get_type_hints(*get_args(hint))
        else:
            wanted[name] = hint
    return wanted


def check_fact(path: Path, name: str, value: Any, hint: Any) -> None:
    """Raise ConfigError if the value of a fact in a use case's class is not of its type."""
    if not _fits(value, hint):
        raise ConfigError(_misfit(f"{path}: `{name}`", name, value, hint))


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type as annotated. What a mapping holds is left to whoever reads it."""
    origin = get_origin(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in get_args(hint))
    if origin is Literal:
        return value in get_args(hint)
    if origin is type:
        return isinstance(value, type)
    if origin is list:
        origin = Sequence
    if origin is not None and issubclass(origin, Iterable):
        if isinstance(value, str | bytes) or not isinstance(value, origin):
            return False
        # An iterator can't be looked at without using it up.
        items = value if isinstance(value, Collection) and not isinstance(value, Mapping) else ()
        return all(_fits(item, get_args(hint)[0]) for item in items)
    if hint in (float, int):
        return isinstance(value, Real if hint is float else Integral) and not isinstance(value, bool)
    return isinstance(value, hint)


def _misfit(where: str, name: str, value: Any, hint: Any) -> str:
    found = repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:80]}…"
    of_texts = isinstance(value, str) and _fits([value], hint)
    return f"{where} must be {_words(hint)} (found {found})." + (f' Write {name}=["{value}"].' if of_texts else "")


def _words(hint: Any, plural: bool = False) -> str:
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        kinds = [part for part in parts if part is not NoneType and not (part is int and float in parts)]
        return " or ".join(dict.fromkeys(_words(part, plural) for part in kinds))
    if origin is Literal:
        return " or ".join(repr(part) for part in parts)
    if origin is not None and issubclass(origin, Mapping):
        return "a mapping"
    if origin is not None and issubclass(origin, Iterable):
        return f"a list of {_words(parts[0], plural=True)}"
    one, many = NAMED.get(hint, (f"a {hint.__name__}", f"{hint.__name__}s"))
    return many if plural else one
