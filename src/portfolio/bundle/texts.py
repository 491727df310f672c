"""The one form that texts are brought to, in training and in serving alike, before a model sees them.

It is not in the graph: ONNX's StringNormalizer needs a locale, which not every machine has, and knows no NFKC.
"""

from __future__ import annotations

import unicodedata

NORMALIZATION = "NFKC, case-folded, single spaces"
"""What the manifest calls it."""


def normalized(text: str) -> str:
    """Width and case removed (Ａ, ａ and A are a; ｶﾞ is ガ), and every run of white space made one space.

    Doing it again changes nothing.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())
