"""One connection: a response in one write, limits on what a client may leave unfinished, and an end that it can read.

uvicorn's protocol would send head and body in a system call each, take an offer of HTTP/2 for a request without a body,
and close in the client's face while it is still sending.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

logger = logging.getLogger("serving")
LOG_FULL_SECONDS = 5.0
# Of connections beyond the limit, how many are told so at once.
MAX_REFUSED = 8
# A head, or whatever else comes without being part of a body.
MAX_HEAD_BYTES = 64 * 1024
# What is parsed in one go: pipelined requests are so small that a whole read would hold thousands of them.
SLICE_BYTES = 16 * 1024
MAX_PIPELINED = 32
# After a refusal, how long and how much of the rest of a request is still read, and dropped. If it were not, the kernel
# would reset the connection, and the client would never see the answer.
LINGER_SECONDS = 5.0
LINGER_BYTES = 64 * 1024 * 1024
# How long a client may take nothing of its answer.
STALL_SECONDS = 20.0
# Of an offer to go on with another protocol, which the server may ignore (RFC 9110, 7.8).
OFFER = (b"upgrade", b"http2-settings")


class GatheredTransport:
    """A transport whose writes within one turn of the event loop go out together."""

    def __init__(self, transport: asyncio.Transport, protocol: GatheredProtocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self._parts: list[bytes] = []
        self._call_soon = asyncio.get_running_loop().call_soon
        self._lingering: asyncio.TimerHandle | None = None

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._call_soon(self._flush)
        self._parts.append(data)

    def is_closing(self) -> bool:
        return self._lingering is not None or self._transport.is_closing()

    def close(self) -> None:
        """Close after what is written; while the client is still sending, let it finish first, for a while."""
        if self.is_closing():
            return
        self._flush()
        if not self._protocol.is_unfinished or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._transport.write_eof()
        self._lingering = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._transport.abort)
        self._protocol.read_on()

    def end(self) -> None:
        """At once, whatever is left."""
        self._transport.abort()

    def forget(self) -> None:
        """The connection is gone."""
        if self._lingering is not None:
            self._lingering.cancel()

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self.is_closing():
            self._transport.write(b"".join(parts))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class HoldingFlow(FlowControl):
    """Reads no more while the protocol holds back what it has."""

    def __init__(self, transport: GatheredTransport, protocol: GatheredProtocol) -> None:
        super().__init__(transport)  # type: ignore[arg-type]
        self._protocol = protocol

    def resume_reading(self) -> None:
        if not self._protocol.is_holding:
            super().resume_reading()


class GatheredProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with bounds. `idle_since` is when its last request ended, by time.monotonic()."""

    idle_since: float
    max_connections: int | None = None
    """Of all of them; further ones get 503."""
    transport: GatheredTransport  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.idle_since = time.monotonic()
        self._is_broken = False
        self._is_offer = False
        self._unparsed = b""
        # Bytes that came since the last head, part of a body, or end of a request.
        self._loose_bytes = 0
        self._dropped_bytes = 0
        self._unsent_bytes = 0
        self._unsent_since = 0.0
        super().connection_made(GatheredTransport(transport, self))  # type: ignore[arg-type]
        self.flow = HoldingFlow(self.transport, self)
        if self.max_connections is not None and len(self.connections) > self.max_connections:
            _log_full(self.max_connections)
            if len(self.connections) > self.max_connections + MAX_REFUSED:
                self.transport.end()
            self._refuse(503, f"The server has {self.max_connections:,} connections already.")

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport.forget()
        super().connection_lost(exc)

    @property
    def is_unfinished(self) -> bool:
        """Whether the client is probably still sending."""
        return self._is_broken or self.is_holding or (self.cycle is not None and self.cycle.more_body)

    @property
    def is_holding(self) -> bool:
        """Whether requests are held back until those before them are answered."""
        return bool(self._unparsed)

    def read_on(self) -> None:
        """Read what the client still sends, to drop it."""
        self._unparsed = b""
        self.flow.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._is_broken or self.transport.is_closing():
            self._dropped_bytes += len(data)
            if self._dropped_bytes > LINGER_BYTES:
                self.transport.end()
        elif self._unparsed:
            self._unparsed += data
        else:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        start = 0
        while start < len(data) and not self._is_broken and not self.transport.is_closing():
            if len(self.pipeline) > MAX_PIPELINED:
                self._unparsed = data[start:]
                self.flow.pause_reading()
                return
            part = data[start : start + SLICE_BYTES] if len(data) > SLICE_BYTES else data
            start += len(part)
            self._loose_bytes += len(part)
            try:
                self.parser.feed_data(part)
            except httptools.HttpParserUpgrade as offer:
                data, start = self._without_offer() + part[offer.args[0] :] + data[start:], 0
                self._loose_bytes = 0
            except httptools.HttpParserError:
                self._refuse(400, "Invalid HTTP request received.")
            if self._loose_bytes > MAX_HEAD_BYTES + SLICE_BYTES:
                self._refuse(431, f"The head of a request must have at most {MAX_HEAD_BYTES:,} bytes.")

    def _without_offer(self) -> bytes:
        """The head that was parsed last, without what offers another protocol, for a parser of its own."""
        self._is_offer = False
        method = self.parser.get_method()
        version = self.parser.get_http_version().encode()
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        if method == b"CONNECT":
            self._refuse(400, "This server is not a proxy.")
            return b""
        lines = [b"%b %b HTTP/%b" % (method, self.url, version)]
        for name, value in self.headers:
            if name in OFFER:
                continue
            if name == b"connection":
                kept = [token for token in value.split(b",") if token.strip().lower() not in OFFER]
                value = b",".join(kept)
            lines.append(name + b": " + value)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def on_headers_complete(self) -> None:
        self._loose_bytes = 0
        if self.parser.should_upgrade():
            self._is_offer = True
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._loose_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._loose_bytes = 0
        if not self._is_offer:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        self.idle_since = time.monotonic()
        super().on_response_complete()
        if self._unparsed and len(self.pipeline) <= MAX_PIPELINED:
            data, self._unparsed = self._unparsed, b""
            self.flow.resume_reading()
            self._parse(data)

    def _refuse(self, status: int, message: str) -> None:
        """Answer what is not a request, and close."""
        self._is_broken = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body or cycle.response_started or self.pipeline:
                # It came after whole requests, which are answered first. An answer now would be taken for theirs.
                cycle.keep_alive = False
                return
            cycle.disconnected = True
            cycle.message_event.set()
        body = message.encode()
        more = b"retry-after: 1\r\n" if status == 503 else b""
        head = STATUS_LINE[status] + b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n" + more
        self.transport.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        self.transport.close()

    def end_if_idle(self, before: float) -> None:
        """Close the connection if it has had no request in progress since `before`.

        This catches clients that never finish their headers, and those that were refused and keep sending a body.
        """
        if self.idle_since < before and (self.cycle is None or self.cycle.response_complete):
            # Who has been sending all this time has had enough of it.
            (self.transport.end if self.is_unfinished else self.transport.close)()

    def end_if_stalled(self, now: float) -> None:
        """End the connection if its client has taken nothing of its answer for a while."""
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0 or unsent < self._unsent_bytes or self._unsent_bytes == 0:
            self._unsent_since = now
        elif now - self._unsent_since > STALL_SECONDS:
            self.transport.end()
        self._unsent_bytes = unsent


def _log_full(count: int) -> None:
    global _logged_full_at
    now = time.monotonic()
    if now - _logged_full_at > LOG_FULL_SECONDS:
        _logged_full_at = now
        logger.warning("%d connections are open, and further ones get 503; ulimit -n may allow more", count)


_logged_full_at = -math.inf
