"""Hashes that give every row the same place on every machine and in every version."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import polars as pl


def uniform(keys: pl.DataFrame, salt: str) -> npt.NDArray[np.float64]:
    """For each row of the key columns a number in [0, 1), float64 [rows], that depends on its values alone.

    A missing value is a value like any other.

    blake2b and not polars' own hash, which may differ between its versions.
    """
    texts = keys.select(pl.concat_str(pl.all().cast(pl.String).fill_null("\x00"), separator="\x1f")).to_series()
    key = salt.encode()
    digests = b"".join(blake2b(text.encode(), digest_size=8, key=key).digest() for text in texts)
    return (np.frombuffer(digests, dtype=">u8") >> np.uint64(11)) / float(1 << 53)
