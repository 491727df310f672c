"""What every request goes through: its id, admission, the headers of its answer, the metrics, the log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from serving.errors import RequestError
from serving.front.exchange import DisconnectedError, Exchange, Headers, Message, Receive, Scope, Send, new_request_id
from serving.front.security import page_headers
from serving.protocols.query import InferenceProtocol
from serving.record.logs import LogWriter
from serving.services import Services

logger = logging.getLogger("serving")
CLOSE = (b"connection", b"close")
# What a page of another origin may send and read, beside what every page may.
ASKED_HEADERS = (
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "Inference-Header-Content-Length",
    "X-API-Key",
    "X-Request-ID",
)
ANSWERED_HEADERS = ("Inference-Header-Content-Length", "Retry-After", "X-Request-ID")
CLIENT_CLOSED_REQUEST = 499
"""What nginx counts a client under that did not wait for its answer."""


class Front:
    """The ASGI application that the server runs: predictions by path in `protocols`, and FastAPI's `app` for the rest.

    `log` gets a line for each request that failed, and for all others too if the settings say so.
    """

    def __init__(
        self,
        app: FastAPI,
        services: Services,
        protocols: Mapping[str, InferenceProtocol],
        log: LogWriter | None,
    ) -> None:
        settings = services.settings
        self.app = app
        self.services = services
        self.admission = services.admission
        self._inference = services.inference
        self._protocols = protocols
        self._metrics = services.metrics
        self._log = log
        self._log_all = settings.access_log
        self._root_path = settings.root_path
        self._frame_ancestors = settings.frame_ancestors
        self._enter: ASGIApp = self._answer
        if settings.cors_origins:
            self._enter = CORSMiddleware(
                self._answer,
                allow_origins=settings.cors_origins,
                allow_methods=["GET", "HEAD", "POST"],
                allow_headers=ASKED_HEADERS,
                expose_headers=ANSWERED_HEADERS,
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await self._enter(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        exchange = Exchange(scope, receive, send, new_request_id())
        path = exchange.path = self._own_path(scope["path"])
        protocol = self._protocols.get(path)
        # Metrics are labelled with paths of our own, never with one that a client made up.
        label = path if protocol else "unknown"
        self.admission.count += 1
        try:
            self.admission.check(exchange, path)
            if protocol is None:
                label = await self._answer_by_fastapi(exchange, receive)
            elif scope["method"] != "POST":
                raise RequestError(
                    405, "refused", "Method Not Allowed: this path takes POST.", headers={"Allow": "POST"}
                )
            else:
                body, content_type, headers = await self._inference.answer(exchange, protocol)
                await exchange.answer(200, body, content_type, self._closing(headers))
        except RequestError as error:
            await exchange.fail(error, self._closing([]))
        except DisconnectedError:
            exchange.status = CLIENT_CLOSED_REQUEST
        except asyncio.CancelledError:
            # A server that shuts down does not wait for the slowest requests.
            if not self.admission.draining or exchange.status:
                raise
            await exchange.fail(self.admission.draining_error(), self._closing([]))
        except Exception:
            logger.exception("request %s failed", exchange.request_id)
            if exchange.status:
                raise
            internal = RequestError(
                500, "internal", f"Internal server error. The server's log has it under {exchange.request_id}."
            )
            await exchange.fail(internal, self._closing([]))
        finally:
            self.admission.count -= 1
            self._record(exchange, label, time.perf_counter() - started)

    async def _answer_by_fastapi(self, exchange: Exchange, receive: Receive) -> str:
        """Let FastAPI answer, with our headers added. Returns the route's path as it is declared."""
        scope = {**exchange.scope, "state": {**exchange.scope.get("state", {}), "exchange": exchange}}
        if scope["method"] == "HEAD":
            # The same without its body, which the server leaves out.
            scope["method"] = "GET"
        if self._root_path:
            # As ASGI has it, whether the proxy leaves the prefix out or not.
            scope["root_path"] = self._root_path
            scope["path"] = self._root_path + exchange.path
            scope["raw_path"] = scope["path"].encode()
        added = page_headers(exchange.path, self._frame_ancestors)
        ours = [(b"x-request-id", exchange.request_id.encode()), *self._closing(added)]
        names = {name for name, _ in ours}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                kept = [header for header in message["headers"] if header[0] not in names]
                message = {**message, "headers": kept + ours}
            await exchange.send(message)

        await self.app(scope, receive, send)
        return getattr(scope.get("route"), "path", "unknown")

    def _own_path(self, path: str) -> str:
        """Without the prefix of a proxy that passes it on."""
        root = self._root_path
        return path[len(root) :] or "/" if root and (path == root or path.startswith(f"{root}/")) else path

    def _closing(self, headers: Headers) -> Headers:
        """While the server shuts down, each answer asks its client to close the connection."""
        return [*headers, CLOSE] if self.admission.draining else headers

    def _record(self, exchange: Exchange, label: str, seconds: float) -> None:
        self._metrics.request(label, exchange.status, seconds)
        if self._log is None or (exchange.status < 400 and not self._log_all):
            return
        line = {
            "request_id": exchange.request_id,
            "method": exchange.scope["method"],
            "path": exchange.path[:200],
            "status": exchange.status,
            "ms": round(seconds * 1000, 3),
        }
        if exchange.callers_id is not None:
            line["callers_id"] = exchange.callers_id
        if exchange.version is not None:
            line["model_version"] = exchange.version
        self._log.request(time.time(), line)
