"""What every request goes through: its id, who may ask, how many at once, its answer's headers, the figures, the log.

Inference is answered here, past the routing of FastAPI, which has all the rest: the routing, its request objects and
its middleware take longer than a small model.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable

from serving.bodies import Bodies
from serving.exchange import DisconnectedError, Exchange, Message, Receive, RequestError, Scope, Send, new_request_id
from serving.figures import Figures
from serving.inference import Inference
from serving.logs import LogWriter
from serving.query import InferenceProtocol
from serving.security import demand, page_headers
from serving.settings import Settings

logger = logging.getLogger("serving")
App = Callable[[Scope, Receive, Send], Awaitable[None]]
CALLERS_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
CLOSE = (b"connection", b"close")
# Paths that answer without a key: probes, and pages that hold nothing of the model's.
OPEN = re.compile(
    r"/|/healthz|/readyz|/ping|/page/.*|/v2|/v2/health/(live|ready)|/docs.*|/openapi\.json|/static-offline-docs/.*"
)
# What is to be seen just when too much is asked.
PROBES = ("/healthz", "/readyz", "/ping", "/v2/health/live", "/v2/health/ready", "/metrics")
ADMIN = re.compile(r"/metrics|/admin/.*")


class Front:
    """The ASGI application. `busy` counts the requests under way; the server puts its own count there."""

    def __init__(
        self,
        settings: Settings,
        bodies: Bodies,
        inference: Inference,
        protocols: dict[str, InferenceProtocol],
        rest: App,
        figures: Figures,
        log: LogWriter | None,
    ) -> None:
        self.draining = False
        self.busy: Callable[[], int] = lambda: self._under_way
        self._settings = settings
        self._bodies = bodies
        self._inference = inference
        self._protocols = protocols
        self._rest = rest
        self._figures = figures
        self._log = log
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        started = time.perf_counter()
        exchange = Exchange(scope, receive, send, new_request_id())
        path: str = scope["path"]
        protocol = self._protocols.get(path)
        # What is counted under: a path of ours, never one that a client made up.
        label = path if protocol else "unknown"
        self._under_way += 1
        try:
            self._admit(exchange, path)
            if protocol is None:
                label = await self._answer_rest(exchange, receive)
            elif scope["method"] != "POST":
                raise RequestError(405, "refused", "Method Not Allowed: this path takes POST.")
            else:
                body, content_type, headers = await self._inference.answer(exchange, protocol)
                await exchange.answer(200, body, content_type, self._closing(headers))
        except RequestError as error:
            await exchange.fail(error, self._closing([]))
        except DisconnectedError:
            exchange.status = 499
        except asyncio.CancelledError:
            # The end of the server does not wait for those that take longest.
            if not self.draining or exchange.status:
                raise
            ending = RequestError(503, "draining", "The server is about to end.", retry_after_seconds=1)
            await exchange.fail(ending, self._closing([]))
        except Exception:
            logger.exception("request %s failed", exchange.request_id)
            if exchange.status:
                raise
            internal = RequestError(
                500, "internal", f"This is a fault of the server's; its log has it as {exchange.request_id}."
            )
            await exchange.fail(internal, self._closing([]))
        finally:
            self._under_way -= 1
            self._tell(exchange, label, time.perf_counter() - started)

    def _admit(self, exchange: Exchange, path: str) -> None:
        limits = self._settings
        reading = len(self._bodies)
        # Slow clients take room of their own, and none of those that are answered at once.
        too_many = self.busy() - reading > limits.max_requests or reading > limits.max_requests
        if too_many and path not in PROBES:
            raise RequestError(
                503, "too_busy", "Too many requests are under way. Send it again later.", retry_after_seconds=1
            )
        if ADMIN.fullmatch(path):
            if limits.admin_keys:
                demand(exchange, limits.admin_keys)
            elif limits.api_keys:
                raise RequestError(
                    403, "no_admin_key", "This server has no key for administrators: set SERVING_ADMIN_KEYS."
                )
        elif limits.api_keys and not OPEN.fullmatch(path):
            demand(exchange, limits.api_keys)

    async def _answer_rest(self, exchange: Exchange, receive: Receive) -> str:
        """Let FastAPI answer, with our headers on it. Gives back the route's path, as it stands in the code."""
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

        await self._rest(scope, receive, send)
        route = scope.get("route")
        return getattr(route, "path", "unknown")

    def _closing(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """While the server ends, each answer asks its connection to."""
        return [*headers, CLOSE] if self.draining else headers

    def _tell(self, exchange: Exchange, label: str, seconds: float) -> None:
        self._figures.request(label, exchange.status, seconds)
        if self._log is None or (exchange.status < 400 and not self._settings.access_log):
            return
        line = {
            "request_id": exchange.request_id,
            "method": exchange.scope["method"],
            "path": exchange.scope["path"][:200],
            "status": exchange.status,
            "ms": round(seconds * 1000, 3),
        }
        callers = exchange.headers.get(b"x-request-id", b"")
        if CALLERS_ID.fullmatch(callers):
            line["callers_id"] = callers.decode()
        if exchange.version is not None:
            line["model_version"] = exchange.version
        self._log.request(time.time(), line)
