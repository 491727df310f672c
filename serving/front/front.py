"""What every request goes through: its id, admission, the headers of its answer, the metrics, the log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

from fastapi import FastAPI

from serving.errors import RequestError
from serving.front.admission import Admission
from serving.front.exchange import DisconnectedError, Exchange, Headers, Message, Receive, Scope, Send, new_request_id
from serving.front.security import page_headers
from serving.protocols.query import InferenceProtocol
from serving.record.live import LiveMetrics
from serving.record.logs import LogWriter
from serving.runtime.inference import Inference

logger = logging.getLogger("serving")
CLOSE = (b"connection", b"close")
CLIENT_CLOSED_REQUEST = 499
"""What nginx counts a client under that did not wait for its answer."""


class Front:
    """The ASGI application that the server runs: predictions by path in `protocols`, and FastAPI's `app` for the rest.

    `log` gets a line for each request that failed, and for all others too with `log_all`.
    """

    def __init__(
        self,
        app: FastAPI,
        admission: Admission,
        inference: Inference,
        protocols: Mapping[str, InferenceProtocol],
        metrics: LiveMetrics,
        log: LogWriter | None,
        *,
        log_all: bool,
    ) -> None:
        self.app = app
        self.admission = admission
        self._inference = inference
        self._protocols = protocols
        self._metrics = metrics
        self._log = log
        self._log_all = log_all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        exchange = Exchange(scope, receive, send, new_request_id())
        path: str = scope["path"]
        protocol = self._protocols.get(path)
        # Metrics are labelled with paths of our own, never with one that a client made up.
        label = path if protocol else "unknown"
        self.admission.count += 1
        try:
            self.admission.check(exchange, path)
            if protocol is None:
                label = await self._answer_by_fastapi(exchange, receive)
            elif scope["method"] != "POST":
                raise RequestError(405, "refused", "Method Not Allowed: this path takes POST.")
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
        scope = exchange.scope
        scope["state"] = {**scope.get("state", {}), "exchange": exchange}
        ours = [(b"x-request-id", exchange.request_id.encode()), *self._closing(page_headers(scope["path"]))]
        names = {name for name, _ in ours}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                kept = [header for header in message["headers"] if header[0] not in names]
                message = {**message, "headers": kept + ours}
            await exchange.send(message)

        await self.app(scope, receive, send)
        return getattr(scope.get("route"), "path", "unknown")

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
            "path": exchange.scope["path"][:200],
            "status": exchange.status,
            "ms": round(seconds * 1000, 3),
        }
        if exchange.callers_id is not None:
            line["callers_id"] = exchange.callers_id
        if exchange.version is not None:
            line["model_version"] = exchange.version
        self._log.request(time.time(), line)
