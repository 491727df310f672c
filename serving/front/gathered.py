"""A response in one write: uvicorn would send its head and its body in a system call each."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class GatheredTransport:
    """A transport whose writes within one turn of the event loop go out together."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._parts: list[bytes] = []
        self._call_soon = asyncio.get_running_loop().call_soon

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class GatheredProtocol(HttpToolsProtocol):
    """uvicorn's protocol. `idle_since` is when its last request ended, by time.monotonic()."""

    idle_since: float

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.idle_since = time.monotonic()
        super().connection_made(GatheredTransport(transport))  # type: ignore[arg-type]

    def on_response_complete(self) -> None:
        self.idle_since = time.monotonic()
        super().on_response_complete()

    def end_if_idle(self, before: float) -> None:
        """Close the connection if it has had no request in progress since `before`.

        This catches clients that never finish their headers, and those that were refused and keep sending a body.
        """
        if self.idle_since < before and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()
