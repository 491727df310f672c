"""Who may ask what, and the headers that keep a browser from doing more with an answer than it is for."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from serving.exchange import Exchange, Headers, RequestError

ALWAYS = [("X-Content-Type-Options", "nosniff")]
"""The server itself puts these on every answer."""

_COMMON = b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'; "
_OWN = b"script-src 'self'; style-src 'self'; img-src 'self' data: blob:"
# FastAPI's page of documentation starts itself by a script within the page.
_DOCS = b"script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"

Hashes = Iterable[str]


def page_headers(path: str) -> Headers:
    """For what a browser may show as a page: nothing from elsewhere, in nobody's frame."""
    policy = _COMMON + (_DOCS if path.startswith("/docs") else _OWN)
    return [
        (b"content-security-policy", policy),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
    ]


def hashed(key: str) -> str:
    """What the settings hold of a key. Keys are random and long, so one round of SHA-256 is enough."""
    return hashlib.sha256(key.encode()).hexdigest()


def demand(exchange: Exchange, hashes: tuple[str, ...]) -> None:
    """Raises RequestError if the request has none of the keys that these are the hashes of."""
    stated = exchange.headers.get(b"authorization", b"")
    kind, _, key = stated.partition(b" ")
    given = key.strip() if kind.lower() == b"bearer" else exchange.headers.get(b"x-api-key", b"")
    found = hashlib.sha256(given).hexdigest()
    # All are compared, in constant time: how long it takes tells nothing.
    fits = [hmac.compare_digest(found, known) for known in hashes]
    if not given or not any(fits):
        raise RequestError(401, "no_key", "Send a key that is allowed: Authorization: Bearer KEY, or X-API-Key: KEY.")
