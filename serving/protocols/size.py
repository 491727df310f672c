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
    """Depth, and the numbers of values and of keys: a few passes of NumPy, 5 to 20 ms a mebibyte.

    A body that is not JSON gets some numbers too, and is refused by the parser.
    """
    codes = np.frombuffer(body, dtype=np.uint8)
    outside = _outside_strings(codes)
    # [ and {, like ] and }, differ in one bit.
    folded = codes | 0x20
    opens = (folded == ord("{")) & outside
    closes = (folded == ord("}")) & outside
    steps = opens.astype(np.int8) - closes.astype(np.int8)
    depth = int(np.cumsum(steps, dtype=np.int32).max(initial=0))
    values = int(np.count_nonzero((codes == COMMA) & outside)) + int(np.count_nonzero(opens))
    return depth, values, int(np.count_nonzero((codes == COLON) & outside))


def _outside_strings(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which bytes are in no string."""
    quotes = codes == QUOTE
    slashes = codes == BACKSLASH
    if slashes.any():
        # A quote is part of a string if an odd number of backslashes stands before it.
        places = np.arange(len(codes), dtype=np.int32)
        last_other = np.maximum.accumulate(np.where(slashes, np.int32(-1), places))
        run = np.empty_like(places)
        run[0] = 0
        run[1:] = places[:-1] - last_other[:-1]
        quotes &= run % 2 == 0
    return np.asarray(np.cumsum(quotes, dtype=np.int32) % 2 == 0)
