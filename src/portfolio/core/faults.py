"""What pydantic finds wrong, in words."""

from __future__ import annotations

from pydantic import ValidationError


def faults(where: str, error: ValidationError) -> str:
    """Every fault of a validation error: the key, the value and what is allowed."""
    lines = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"]) or "(whole file)"
        if fault["type"] == "extra_forbidden":
            lines.append(f"  {key}: there is no such key; is it a typo?")
        elif fault["type"] == "missing":
            lines.append(f"  {key}: is missing")
        elif fault["type"] == "value_error":
            # Our own words, which say what was found where that helps.
            lines.append(f"  {key}: {fault['ctx']['error']}")
        else:
            lines.append(f"  {key}: {fault['msg']} (found {fault['input']!r})")
    return f"{where} does not fit:\n" + "\n".join(lines)
