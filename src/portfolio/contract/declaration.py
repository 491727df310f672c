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

from portfolio.bundle.manifest import InputField
from portfolio.core.errors import ConfigError
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
    of_class = "self" in signature.parameters

    @wraps(call)
    def checked(*args: Any, **named: Any) -> Any:
        # As the user wrote it, who may have derived a class of their own.
        name = type(args[0]).__name__ if of_class else call.__name__
        first = next(iter(args[of_class:]), None)
        name = f'{name}("{first}")' if isinstance(first, str) else name
        wanted = _wanted(call)
        for word in named:
            if word not in wanted:
                close = meant(word, wanted)
                hint = f"did you mean '{close}'?" if close else f"There are: {', '.join(wanted)}."
                raise ConfigError(f"{name} has no argument '{word}'{': ' if close else '. '}{hint}")
        try:
            bound = signature.bind(*args, **named)
        except TypeError as error:
            raise ConfigError(f"{name}: {error}. Its arguments are: {', '.join(wanted)}.") from error
        given = {word: value for word, value in bound.arguments.items() if word in wanted}
        for word, value in {**given, **named}.items():
            if not _fits(value, wanted[word]):
                raise ConfigError(_misfit(f"{name}: {word}", word, value, wanted[word]))
        return call(*args, **named)

    return checked


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
        return " or ".join(dict.fromkeys(_words(part, plural) for part in parts if part is not NoneType))
    if origin is Literal:
        return " or ".join(repr(part) for part in parts)
    if origin is not None and issubclass(origin, Mapping):
        return "a mapping"
    if origin is not None and issubclass(origin, Iterable):
        return f"a list of {_words(parts[0], plural=True)}"
    one, many = NAMED.get(hint, (f"a {hint.__name__}", f"{hint.__name__}s"))
    return many if plural else one
