"""How deep and how large a JSON body is, found before it is parsed: what is refused here costs no parser's work.

A parser makes an object of every value, and Pydantic an error of every one that is wrong. Two bytes are enough for a
value, so one mebibyte could hold up every other request for a good part of a second.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from serving.errors import field_error

MAX_DEPTH = 32
# Whatever a smaller body holds is parsed in a few milliseconds, and most requests are smaller.
SMALL_BYTES = 16 * 1024
# What is looked at in one go, so that it stays in the processor's cache.
BLOCK_BYTES = 64 * 1024
BOM = b"\xef\xbb\xbf"
QUOTE, BACKSLASH, COMMA, COLON = b'"\\,:'


def checked(body: bytes, max_values: int, max_keys: int) -> bytes:
    """The body without a byte order mark.

    Raises RequestError if it nests too deeply, or has too many values or keys of objects.
    """
    if body.startswith(BOM):
        body = body[len(BOM) :]
    if len(body) <= SMALL_BYTES:
        return body
    depth, values, keys = measured(body)
    if depth > MAX_DEPTH:
        raise field_error("body", f"must nest at most {MAX_DEPTH} levels deep, not {depth:,}")
    if values > max_values:
        raise field_error("body", f"must have at most {max_values:,} values, not {values:,}; send fewer rows")
    if keys > max_keys:
        raise field_error("body", f"must have at most {max_keys:,} keys, not {keys:,}; send fewer rows or fields")
    return body


def measured(body: bytes) -> tuple[int, int, int]:
    """Depth, and the numbers of values and of keys: a few passes of NumPy over each block.

    That takes 2 ms a mebibyte of numbers, and 20 ms at worst. A body that is not JSON gets some numbers too, and is
    refused by the parser.
    """
    depth = deepest = values = keys = start = 0
    is_inside = False
    while start < len(body):
        end = min(start + BLOCK_BYTES, len(body))
        if body[end - 1] == BACKSLASH:
            # What follows a run of backslashes depends on all of them.
            end = min(len(body), len(body) - len(body[end:].lstrip(b"\\")) + 1)
        codes = np.frombuffer(body, np.uint8, end - start, start)
        quotes = _quotes(codes)
        # [ and {, like ] and }, differ in one bit.
        folded = codes | 0x20
        brackets = np.flatnonzero((folded == ord("{")) | (folded == ord("}")))
        # Those before which as many strings have begun as ended.
        brackets = brackets[(np.searchsorted(quotes, brackets) + is_inside) % 2 == 0]
        if len(brackets):
            opens = folded[brackets] == ord("{")
            steps = np.cumsum(np.where(opens, 1, -1))
            deepest = max(deepest, depth + int(steps.max()))
            depth += int(steps[-1])
            values += int(np.count_nonzero(opens))
        values += _count_outside(codes == COMMA, quotes, is_inside)
        keys += _count_outside(codes == COLON, quotes, is_inside)
        is_inside ^= len(quotes) % 2 == 1
        start = end
    return deepest, values, keys


def _count_outside(found: npt.NDArray[np.bool_], quotes: npt.NDArray[np.intp], is_inside: bool) -> int:
    """How many are outside strings, of which quotes are the limits."""
    places = np.flatnonzero(found)
    limits = np.concatenate(([0], np.searchsorted(places, quotes), [len(places)]))
    return int(np.diff(limits)[int(is_inside) :: 2].sum())


def _quotes(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """Where strings begin or end."""
    quotes = codes == QUOTE
    slashes = codes == BACKSLASH
    if slashes.any():
        # A quote is part of a string if an odd number of backslashes is before it.
        places = np.arange(len(codes), dtype=np.int32)
        last_other = np.maximum.accumulate(np.where(slashes, np.int32(-1), places))
        run = np.zeros_like(places)
        run[1:] = places[:-1] - last_other[:-1]
        quotes &= run % 2 == 0
    return np.flatnonzero(quotes)
