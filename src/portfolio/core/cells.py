"""Cells of tables as people write them: what stands for nothing, and numbers that have their unit with them."""

from __future__ import annotations

import re
from unicodedata import normalize

MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "-", "?")
"""What tables write where they have no value, in lower case."""
GROUPED = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
"""A number whose thousands are divided."""


SIGNS = ((r"^\((.+)\)$", r"-\1"), (r"^[\u2212△▲]\s*", "-"), (r"^([+-]?)\\", r"\1¥"))
"""How else a negative number is written: (118), △118. And in Japanese encodings the yen sign is the backslash."""


def signed_unit(unit: str) -> str:
    """What matches a sign before the unit, as in -¥120."""
    return rf"^([+-])\s*{re.escape(unit)}\s*"


def is_missing(text: str) -> bool:
    return text.strip().lower() in MISSING


def without_unit(text: str, unit: str) -> str:
    """The number in `1,568 kg`, `23.1%`, `¥120` or `-¥120` as `1568`, `23.1`, `120` or `-120`.

    Any other text stays as it is. Full-width characters are the same as the usual ones, in the text as in the unit.
    """
    unit = normalize("NFKC", unit)
    bare = normalize("NFKC", text).strip()
    for written, plain in SIGNS:
        bare = re.sub(written, plain, bare)
    bare = re.sub(signed_unit(unit), r"\1", bare.removesuffix(unit)).removeprefix(unit).strip()
    if re.match(GROUPED, bare):
        return bare.replace(",", "")
    try:
        float(bare)
    except ValueError:
        return text
    return bare
