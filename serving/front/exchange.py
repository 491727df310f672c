"""One HTTP request and its answer."""

from __future__ import annotations

import asyncio
import os
import re
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

import orjson

from serving.errors import RequestError, field_error

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
JSON = b"application/json"
MAX_PARAMETERS = 100
# Of which a compressed body may consist, one after the other. Each is a copy of all that comes after it.
MAX_STREAMS = 16
CALLERS_ID = r"[A-Za-z0-9._:-]{1,64}"
"""What an X-Request-ID may be, to be kept with the answer."""
_is_callers_id = re.compile(CALLERS_ID.encode()).fullmatch


class DisconnectedError(Exception):
    """The client closed the connection while its request was being read."""


def _random_parts() -> Iterator[str]:
    """Hexadecimal strings of 80 unguessable bits, drawn in blocks: a system call for each would dominate the cost."""
    while True:
        block = os.urandom(_PART_BYTES * 256)
        for start in range(0, len(block), _PART_BYTES):
            yield block[start : start + _PART_BYTES].hex()


_PART_BYTES = 10
_parts = _random_parts()


def new_request_id() -> str:
    """Unguessable, and increasing with time so that inserts go to the end of a database index."""
    return f"{time.time_ns() // 1_000_000:012x}{next(_parts)}"


class Exchange:
    """A request as it comes from the server, without the cost of a framework's request object."""

    __slots__ = ("_receive", "_send", "headers", "path", "request_id", "scope", "status", "version")

    def __init__(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        self.scope = scope
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        """By name in lower case. If a header is sent twice, the last one counts."""
        self.request_id = request_id
        self.path: str = scope["path"]
        """Without the prefix under which a proxy may serve this server."""
        self.status = 0
        self.version: int | None = None
        self._receive, self._send = receive, send

    def flag(self, name: str) -> bool:
        """Whether the query string has `name=true`. Raises RequestError for anything but true and false."""
        query: bytes = self.scope["query_string"]
        if not query:
            return False
        try:
            given = parse_qs(query.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
        except ValueError as error:
            raise RequestError(
                422, "invalid_request", f"There must be at most {MAX_PARAMETERS} query parameters."
            ) from error
        values = given.get(name, ["false"])
        if values[-1].lower() not in ("true", "false"):
            raise RequestError(422, "invalid_request", f"{name}: must be true or false, not '{values[-1][:40]}'.")
        return values[-1].lower() == "true"

    @property
    def is_draft(self) -> bool:
        """Whether a form asks while it is being filled in."""
        with suppress(RequestError):
            return self.flag("draft")
        return False

    @property
    def callers_id(self) -> str | None:
        """The request's X-Request-ID, if it has one that can be kept."""
        given = self.headers.get(b"x-request-id", b"")
        return given.decode() if given and _is_callers_id(given) else None

    @property
    def content_type(self) -> bytes:
        return self.headers.get(b"content-type", b"").split(b";")[0].strip().lower()

    async def body(self, limit_bytes: int) -> bytes:
        """The whole body. Reading stops at the limit, whatever Content-Length says.

        Raises RequestError if it is too large, DisconnectedError if the client has gone.
        """
        stated = self.headers.get(b"content-length", b"")
        if stated.isdigit() and int(stated) > limit_bytes:
            raise _too_large(limit_bytes)
        message = await self._receive()
        parts = bytearray() if message.get("more_body", False) else b""
        while True:
            if message["type"] == "http.disconnect":
                raise DisconnectedError
            parts += message.get("body", b"")
            if len(parts) > limit_bytes:
                raise _too_large(limit_bytes)
            if not message.get("more_body", False):
                break
            message = await self._receive()
        if b"content-encoding" not in self.headers:
            return bytes(parts)
        # It may be any length then, and must not hold up other requests.
        return await asyncio.to_thread(self._decoded, bytes(parts), limit_bytes)

    def _decoded(self, body: bytes, limit_bytes: int) -> bytes:
        """The body without its Content-Encoding. Raises RequestError if that is unknown, or if it is too large then."""
        encoding = self.headers.get(b"content-encoding", b"identity").strip().lower()
        if encoding == b"identity" or not body:
            return body
        if encoding not in (b"gzip", b"x-gzip", b"deflate"):
            raise RequestError(
                415,
                "unknown_encoding",
                f"Content-Encoding is '{encoding.decode('latin-1')[:40]}'. Send gzip, deflate, or none.",
                headers={"Accept-Encoding": "gzip, deflate"},
            )
        # gzip and zlib say what they are; some clients send deflate without a head.
        bits = 32 + zlib.MAX_WBITS if encoding != b"deflate" or body[0] & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS
        unpacked, rest = b"", body
        try:
            for _ in range(MAX_STREAMS):
                decoder = zlib.decompressobj(bits)
                unpacked += decoder.decompress(rest, limit_bytes + 1 - len(unpacked))
                if len(unpacked) > limit_bytes:
                    raise _too_large(limit_bytes)
                if not decoder.eof:
                    raise field_error("body", f"is not complete {encoding.decode()}")
                rest = decoder.unused_data
                if not rest:
                    return unpacked
        except zlib.error as error:
            raise field_error("body", f"is not valid {encoding.decode()}: {error}") from error
        raise field_error("body", f"consists of more than {MAX_STREAMS} streams of {encoding.decode()}")

    async def answer(self, status: int, body: bytes, content_type: bytes, headers: Headers) -> None:
        self.status = status
        fixed: Headers = [
            (b"content-type", content_type),
            (b"content-length", str(len(body)).encode()),
            (b"x-request-id", self.request_id.encode()),
        ]
        await self._send({"type": "http.response.start", "status": status, "headers": fixed + headers})
        await self._send({"type": "http.response.body", "body": body})

    async def send(self, message: Message) -> None:
        await self._send(message)

    async def fail(self, error: RequestError, headers: Headers) -> None:
        more = [(key.lower().encode(), value.encode("latin-1")) for key, value in error.headers.items()]
        await self.answer(error.status, self.error_body(error), JSON, headers + more)

    def error_body(self, error: RequestError) -> bytes:
        """The JSON for this path: the Open Inference Protocol has its own form, in which `error` is a string."""
        about: dict[str, Any] = {"code": error.code, "details": error.details}
        path = self.path
        if path == "/v2" or path.startswith("/v2/"):
            body: dict[str, Any] = {"error": error.message, **about}
        else:
            body = {"error": {"message": error.message, **about}}
        return orjson.dumps({**body, "request_id": self.request_id})


def _too_large(limit_bytes: int) -> RequestError:
    return RequestError(
        413, "too_large", f"The body is too large: the limit is {limit_bytes:,} bytes. Send fewer or smaller instances."
    )
