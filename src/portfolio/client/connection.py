"""One HTTP/1.1 connection in plain asyncio: requests are sent as bytes, and a callback gets the answers.

At the thousands of requests per second of a load, a client library would use most of a core.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httptools

from portfolio.core.errors import ConfigError, PortfolioError


class Address:
    """Where a server is, read from its URL."""

    def __init__(self, url: str) -> None:
        """Raises ConfigError if the URL is not a server's address."""
        wrong = f"'{url}' is not the address of a server, such as http://127.0.0.1:8000"
        try:
            parts = urlsplit(url)
            port = parts.port
            (parts.hostname or "").encode("idna")
        except ValueError as error:
            raise ConfigError(f"{wrong}: {error}.") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or not re.fullmatch(r"[\x21-\x7e]+", url):
            raise ConfigError(wrong)
        self.host, self.tls = parts.hostname, parts.scheme == "https"
        self.port = (443 if self.tls else 80) if port is None else port
        self.authority, self.path = parts.netloc.rpartition("@")[2], parts.path.rstrip("/")

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine, which no proxy could reach."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost" or self.host.endswith(".localhost")

    def request(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
        """A complete request, as bytes."""
        stated = {"Host": self.authority, "Content-Length": str(len(body)), **(headers or {})}
        lines = [f"{method} {self.path}{path} HTTP/1.1", *(f"{name}: {value}" for name, value in stated.items())]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def unreachable(url: str, why: object = "") -> PortfolioError:
    """The error of a server that does not answer at all."""
    return PortfolioError(
        f"{url} can't be reached{f' ({why})' if why else ''}. Start a server (portfolio serve NAME), or give the "
        f"address of one that is running (--url). If this one should be running, check its log."
    )


class Connection(asyncio.Protocol):
    """Takes one request at a time. `answered` gets the connection and a status: 0 if it ended without an answer.

    What the answer said is in `headers` and `body` until the next request is sent.
    """

    def __init__(self, answered: Callable[[Connection, int], None]) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.is_open = False
        self._answered = answered
        self._waiting = False
        self._parser: Any = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def to(cls, address: Address, answered: Callable[[Connection, int], None]) -> Connection:
        """An open connection. Raises OSError if there is no server."""
        context = ssl.create_default_context() if address.tls else None
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: cls(answered), address.host, address.port, ssl=context)
        return connection

    def send(self, request: bytes) -> None:
        assert self._transport is not None
        assert not self._waiting
        self._waiting = True
        self.headers, self.body = {}, b""
        self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self.is_open = transport, True
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._waiting:
            self._waiting = False
            self._answered(self, 0)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return
        self._waiting = False
        if not self._parser.should_keep_alive():
            self.is_open = False
            self.close()
        self._answered(self, status)
