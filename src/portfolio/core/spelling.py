"""What a misspelled name was meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

CLOSE = 0.8
"""How alike two names must be for one to be a misspelling of the other, from 0 to 1."""


def meant(name: str, known: Iterable[str]) -> str:
    """The known name that a misspelled one is close to; empty if there is none."""
    return next(iter(get_close_matches(name, list(known), 1, CLOSE)), "")
