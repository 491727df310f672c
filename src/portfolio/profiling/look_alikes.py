"""Labels that are one word to a person, and differ for a program: full-width, in capitals, with a look-alike letter."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

LOOK_ALIKES = str.maketrans("асеіјорѕухαικνορτυ", "aceijopsyxaikvoptu")
"""Small letters of Cyrillic and Greek, and those of Latin that look like them."""
HIRAGANA = {ord("ァ") + place: ord("ぁ") + place for place in range(ord("ヶ") - ord("ァ") + 1)}


def alike(counts: Mapping[str, int]) -> list[str]:
    """What to say of values that look like one that more rows have. `counts` is how many rows have each."""
    found: dict[str, list[str]] = {}
    for value in sorted(counts, key=lambda value: (-counts[value], value)):
        found.setdefault(_plain(value), []).append(value)
    return [
        f"{' and '.join(map(_shown, others))} {'looks' if len(others) == 1 else 'look'} like {_shown(first)} written "
        "otherwise: make them one in the file"
        for first, *others in found.values()
        if others
    ]


def _shown(value: str) -> str:
    """The value; among Latin letters, one of another alphabet with its name, since it can't be seen."""
    foreign = [letter for letter in value if ord(letter.casefold()[0]) in LOOK_ALIKES]
    latin = any(letter.isascii() and letter.isalpha() for letter in value)
    return f"'{value}'" + (f" (with {unicodedata.name(foreign[0])})" if foreign and latin else "")


def _plain(value: str) -> str:
    wide = unicodedata.normalize("NFKC", value)
    return " ".join(wide.casefold().translate(LOOK_ALIKES).translate(HIRAGANA).split())
