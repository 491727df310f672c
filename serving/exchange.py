"""One HTTP request and its answer, and the fault that an answer may be instead."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import orjson

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
JSON = b"application/json"


class RequestError(Exception):
    """A request that can't be answered: a status, a code, a message, and the faults by field."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: list[dict[str, str]] | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details or []
        self.retry_after_seconds = retry_after_seconds

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.retry_after_seconds is None else {"Retry-After": str(self.retry_after_seconds)}


def field_error(field: str, message: str) -> RequestError:
    """What is wrong with one field of a request."""
    return RequestError(
        422, "invalid_request", f"{field[:80]}: {message}.", [{"field": field[:80], "message": message}]
    )


class DisconnectedError(Exception):
    """The client went away while its request was read."""


def _random_parts() -> Iterator[str]:
    """Hexadecimal texts of 80 unguessable bits. To ask the system for each alone would take longer than all else."""
    while True:
        block = os.urandom(_PART_BYTES * 256)
        for start in range(0, len(block), _PART_BYTES):
            yield block[start : start + _PART_BYTES].hex()


_PART_BYTES = 10
_parts = _random_parts()


def new_request_id() -> str:
    """Unguessable, and rising with time, so that a database's index of them grows at its end."""
    return f"{time.time_ns() // 1_000_000:012x}{next(_parts)}"


class Exchange:
    """A request as it comes from the server, without the cost of a framework's own object."""

    __slots__ = ("_receive", "_send", "headers", "request_id", "scope", "status", "version")

    def __init__(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        self.scope = scope
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        """By their names in lower case; of one that is given twice, the last."""
        self.request_id = request_id
        self.status = 0
        self.version: int | None = None
        self._receive, self._send = receive, send

    def flag(self, name: str) -> bool:
        """Whether the query says `name=true`. Raises RequestError for anything but true and false."""
        query: bytes = self.scope["query_string"]
        if not query:
            return False
        values = parse_qs(query.decode("latin-1"), keep_blank_values=True).get(name, ["false"])
        if values[-1].lower() not in ("true", "false"):
            raise RequestError(422, "invalid_request", f"{name}: say true or false, not '{values[-1][:40]}'.")
        return values[-1].lower() == "true"

    @property
    def content_type(self) -> bytes:
        return self.headers.get(b"content-type", b"").split(b";")[0].strip().lower()

    async def body(self, limit_bytes: int) -> bytes:
        """The whole body, read no further than the limit, whatever its length header says.

        Raises RequestError if it is too large, DisconnectedError if the client went away.
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
                return bytes(parts)
            message = await self._receive()

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

    async def fail(self, fault: RequestError, headers: Headers) -> None:
        more = [(key.lower().encode(), value.encode()) for key, value in fault.headers.items()]
        await self.answer(fault.status, self.fault_body(fault), JSON, headers + more)

    def fault_body(self, fault: RequestError) -> bytes:
        """As it is answered on this path; the Open Inference Protocol has its own form, in which `error` is a text."""
        about: dict[str, Any] = {"code": fault.code, "details": fault.details}
        path: str = self.scope["path"]
        if path == "/v2" or path.startswith("/v2/"):
            body: dict[str, Any] = {"error": fault.message, **about}
        else:
            body = {"error": {"message": fault.message, **about}}
        return orjson.dumps({**body, "request_id": self.request_id})


def _too_large(limit_bytes: int) -> RequestError:
    return RequestError(413, "too_large", f"The body is over {limit_bytes:,} bytes. Send fewer or smaller instances.")
