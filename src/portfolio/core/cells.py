"""Cells of tables as people write them: what stands for nothing, and numbers that have their unit with them."""

from __future__ import annotations

import re
from unicodedata import normalize

MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "-", "?")
"""What tables write where they have no value, in lower case."""
GROUPED = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
"""A number whose thousands are divided."""


SIGNS = (
    (r"^\((.+)\)$", r"-\1"),
    (r"^[\u2212△▲]\s*", "-"),
    (r"^(\d[\d.,]*)[-\u2212]$", r"-\1"),
    (r"^([+-]?)\\", r"\1¥"),
)
"""How else a negative number is written: (118), △118, 118-. And in Japanese encodings the yen sign is the backslash."""

ONE_GROUP = r"(?:^|[^\d.,])[1-9]\d{0,2}[%s]\d{3}(?:[^\d.,]|$)"
"""A number with one of these marks, which may divide thousands or come before three decimals."""


def signed_unit(unit: str) -> str:
    """What matches a sign before the unit, as in -¥120."""
    return rf"^([+-])\s*{re.escape(unit)}\s*"


def unsure_number(marks: str) -> str:
    """What matches a number that may be another, where these marks may mean either."""
    return ONE_GROUP % marks


def said_unsure(text: str) -> str:
    """What such a number may be, and what to write in its place."""
    found = re.search(r"([1-9]\d{0,2})[.,](\d{3})", normalize("NFKC", text))
    assert found is not None, "it has such a number"
    digits = "".join(found.groups())
    return (
        f"may be {digits} or {digits[:-3]}.{digits[-3:]}, because the model learned from files with "
        f"decimal commas. Write {digits}, or {digits[:-3]}.{digits[-3:]}0"
    )


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
