"""The one form that texts are brought to, in training and in serving alike, before a model sees them.

It is not in the graph: ONNX's StringNormalizer needs a locale, which not every machine has, and knows no NFKC.
"""

from __future__ import annotations

import unicodedata
from typing import Literal

NORMALIZATION: Literal["NFKC, case-folded, single spaces"] = "NFKC, case-folded, single spaces"
"""What the manifest calls it."""


def normalized(text: str) -> str:
    """A text in one width (half-width kana become full-width, full-width letters plain ones), without upper case.

    Every run of white space is one space, and none is at an end.

    Doing it again changes nothing.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())
