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
    for value in sorted(counts, key=lambda value: -counts[value]):
        found.setdefault(_plain(value), []).append(value)
    return [
        f"{' and '.join(map(repr, others))} look{'s' if len(others) == 1 else ''} like '{first}' written otherwise: "
        "make them one in the file"
        for first, *others in found.values()
        if others
    ]


def _plain(value: str) -> str:
    wide = unicodedata.normalize("NFKC", value)
    return " ".join(wide.casefold().translate(LOOK_ALIKES).translate(HIRAGANA).split())
