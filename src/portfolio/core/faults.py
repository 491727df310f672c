"""What pydantic and YAML find wrong, in words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import BaseModel, ValidationError
from yaml import MarkedYAMLError

from portfolio.core.spelling import meant


def faults(where: str, error: ValidationError, model: type[BaseModel]) -> str:
    """Every fault of a validation error of that model: the key, the value and what is allowed."""
    lines = []
    for fault in error.errors():
        place = [str(part) for part in fault["loc"]]
        key, found = ".".join(place) or "(whole file)", fault["input"]
        match fault["type"]:
            case "extra_forbidden":
                lines.append(f"  {key}: there is no such key; {_hint(place, model)}")
            case "missing":
                lines.append(f"  {key}: is missing")
            case "value_error":
                # Our own words, which say what was found where that helps.
                lines.append(f"  {key}: {fault['ctx']['error']}")
            case "tuple_type" | "list_type":
                lines.append(f"  {key}: must be a list, such as [{found}] (found {found!r})")
            case "dict_type" | "model_type":
                lines.append(f"  {key}: must hold keys with their values (found {found!r})")
            case _:
                said = re.sub(r"^\w+ should ", "must ", fault["msg"])
                lines.append(f"  {key}: {said} (found {found!r})")
    return f"{where} does not fit:\n" + "\n".join(lines)


def _hint(place: Sequence[str], model: type[BaseModel]) -> str:
    close = meant(place[-1], _keys(model, place[:-1]))
    return f"did you mean '{close}'?" if close else "is it a typo?"


def _keys(model: type[BaseModel], place: Sequence[str]) -> list[str]:
    """The keys that a model has at that place; none where that is not of a model."""
    for name in place:
        fields = {field.alias or key: field.annotation for key, field in model.model_fields.items()}
        inner = fields.get(name)
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return [field.alias or key for key, field in model.model_fields.items()]


def yaml_fault(error: Exception) -> str:
    """What is wrong with a file that is not YAML in UTF-8, and where: in one line."""
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        mark, said = error.problem_mark, ", ".join(part for part in (error.context, error.problem) if part)
        return f"line {mark.line + 1}, column {mark.column + 1}: {said}"
    return str(error).splitlines()[0]
