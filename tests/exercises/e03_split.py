"""A solution of exercises/e03_split."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b


def is_test(keys: Sequence[str], fraction: float) -> list[bool]:
    return [int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big") < fraction * 2**64 for key in keys]
