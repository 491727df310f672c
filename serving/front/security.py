"""API keys, and the headers that limit what a browser may do with an answer."""

from __future__ import annotations

import hashlib
import hmac

from serving.errors import RequestError
from serving.front.exchange import Exchange, Headers

ALWAYS = [("X-Content-Type-Options", "nosniff")]
"""The server puts these on every answer."""

_COMMON = b"default-src 'none'; base-uri 'none'; form-action 'none'; connect-src 'self'; frame-ancestors "
# For browsers that do not know frame-ancestors. There is no form of it that names other pages.
_FRAME_OPTIONS = {"'none'": b"DENY", "'self'": b"SAMEORIGIN"}
_OWN = b"script-src 'self'; style-src 'self'; img-src 'self' data: blob:"
# FastAPI's documentation page starts with an inline script.
_DOCS = b"script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"


def page_headers(path: str, frame_ancestors: str) -> Headers:
    """For whatever a browser may show as a page: nothing from other origins, framed by `frame_ancestors` alone."""
    policy = _COMMON + frame_ancestors.encode() + b"; " + (_DOCS if path.startswith("/docs") else _OWN)
    headers = [
        (b"content-security-policy", policy),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
    ]
    options = _FRAME_OPTIONS.get(frame_ancestors)
    return headers if options is None else [*headers, (b"x-frame-options", options)]


def hashed(key: str) -> str:
    """What the settings hold of a key. Keys are long and random, so one round of SHA-256 is enough."""
    return hashlib.sha256(key.encode()).hexdigest()


def require_key(exchange: Exchange, hashes: tuple[str, ...]) -> None:
    """Raises RequestError unless the request has a key with one of these hashes."""
    stated = exchange.headers.get(b"authorization", b"")
    kind, _, key = stated.partition(b" ")
    given = key.strip() if kind.lower() == b"bearer" else exchange.headers.get(b"x-api-key", b"")
    found = hashlib.sha256(given).hexdigest()
    # All are compared, each in constant time, so that the time taken reveals nothing.
    fits = [hmac.compare_digest(found, known) for known in hashes]
    if not given or not any(fits):
        raise RequestError(
            401, "no_key", "API key required: send a valid one as Authorization: Bearer KEY, or X-API-Key: KEY."
        )
