"""Names and types in a use case's declarations: what is misspelled or of another type is named, never ignored."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache, wraps
from pathlib import Path
from typing import Any, TypeVar, Unpack, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError, validate_call

from portfolio.bundle.manifest import InputField
from portfolio.core.errors import ConfigError
from portfolio.core.faults import faults
from portfolio.core.spelling import meant

Made = TypeVar("Made", bound=Callable[..., Any])
CONFIG = ConfigDict(arbitrary_types_allowed=True, extra="forbid")
MUST_BE = {
    "bool": "True or False",
    "float": "a number",
    "int": "a whole number",
    "string": "a text",
    "sequence": "a list",
    "list": "a list",
    "tuple": "a list",
}
"""By how pydantic's name of a fault begins."""


def declaration(made: Made) -> Made:
    """A function or class of which use cases write calls, with its arguments checked against its annotations.

    The call raises ConfigError, naming what was called, for an argument that there is not, or of another type.
    """
    if isinstance(made, type):
        made.__init__ = _checked(made.__init__)  # type: ignore[misc]
        return made
    return _checked(made)  # type: ignore[return-value]


def check_fact(path: Path, name: str, value: Any, hint: Any) -> None:
    """Raise ConfigError if the value of a fact in a use case's class is not of its type."""
    try:
        # Strictly: one input, which is an iterable of its own facts, is no list of inputs.
        TypeAdapter(hint, config=CONFIG | ConfigDict(strict=True)).validate_python(value)
    except ValidationError as error:
        fault = error.errors()[0]
        raise ConfigError(f"{path}: `{name}` {_said(name, fault)}") from error


def _checked(call: Callable[..., Any]) -> Callable[..., Any]:
    @cache
    def validated() -> Callable[..., Any]:
        # Not before the first call: an annotation may name a class that comes later.
        return validate_call(config=CONFIG)(call)

    @wraps(call)
    def checked(*args: Any, **named: Any) -> Any:
        try:
            return validated()(*args, **named)
        except ValidationError as error:
            name = _as_written(call, args)
            if error.title == InputField.__name__:
                raise ConfigError(faults(name, error, InputField)) from error
            raise ConfigError(_misfit(name, call, error)) from error

    return checked


def _as_written(call: Callable[..., Any], args: Sequence[Any]) -> str:
    """What was called, as its user wrote it, who may have derived a class: `Number("age")`."""
    of_class = call.__name__ == "__init__"
    name = type(args[0]).__name__ if of_class else call.__name__
    first = next(iter(args[of_class:]), None)
    # Nothing else is shown, such as an address with a password in it.
    is_name = [word for word in inspect.signature(call).parameters if word != "self"][:1] in (["name"], ["column"])
    return f'{name}("{first}")' if is_name and isinstance(first, str) else name


def _misfit(name: str, call: Callable[..., Any], error: ValidationError) -> str:
    """The first fault of a call, in words."""
    known, parameters = _arguments(call), list(inspect.signature(call).parameters)
    words = [
        parameters[place] if isinstance(place, int) else str(place)
        for place in (fault["loc"][0] for fault in error.errors())
    ]
    # What is misspelled is missing, too.
    first = min(range(len(words)), key=lambda number: words[number] in known)
    word, fault = words[first], error.errors()[first]
    if word not in known:
        close = meant(word, known)
        return f"{name} has no argument '{word}'" + (
            f": did you mean '{close}'?" if close else f". There are: {', '.join(known)}."
        )
    if fault["type"].startswith("missing"):
        return f"{name}: '{word}' is missing. Its arguments are: {', '.join(known)}."
    return f"{name}: {word} {_said(word, fault)}"


def _arguments(call: Callable[..., Any]) -> list[str]:
    """Their names, those that `**written: Unpack[Written]` stands for one by one."""
    found: list[str] = []
    for name, hint in get_type_hints(call).items():
        found += get_type_hints(*get_args(hint)) if get_origin(hint) is Unpack else [name]
    return [name for name in found if name != "return"]


def _said(word: str, fault: Any) -> str:
    value = fault["input"]
    found = repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:80]}…"
    said = fault["msg"].replace("Input should be ", "").replace("an instance of ", "a ")
    must = MUST_BE.get(fault["type"].split("_")[0], said)
    of_texts = isinstance(value, str) and must == "a list"
    return f"must be {must} (found {found})." + (f' Write {word}=["{value}"].' if of_texts else "")
