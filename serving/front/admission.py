"""Which requests are let in: those that fit beside the ones in progress, and that have the key their path needs."""

from __future__ import annotations

import re
from collections.abc import Callable

from serving.errors import RequestError
from serving.front.bodies import Bodies
from serving.front.exchange import Exchange
from serving.front.security import require_key
from serving.settings import Settings

# No key needed: probes, and pages that show nothing of the model.
OPEN = re.compile(
    r"/|/monitor/?|/health|/healthz|/readyz|/ping|/version|/page/.*|/v2|/v2/health/(live|ready)|/docs.*|/openapi\.json|/static-offline-docs/.*"
)
# Answered under overload too, since that is when they are needed most.
PROBES = ("/health", "/healthz", "/readyz", "/ping", "/v2/health/live", "/v2/health/ready", "/metrics")
ADMIN = re.compile(r"/metrics|/admin/.*|/monitor/.+")


class Admission:
    """`in_progress` counts the requests, and may be replaced by the server's own count.

    `draining` is true while the server shuts down: it answers what it has, and is no longer ready.
    """

    def __init__(self, settings: Settings, bodies: Bodies) -> None:
        self.draining = False
        self.count = 0
        self.in_progress: Callable[[], int] = lambda: self.count
        self._settings = settings
        self._has_keys = bool(settings.admin_keys or settings.api_keys)
        self._bodies = bodies

    def check(self, exchange: Exchange, path: str) -> None:
        """Raises RequestError if the request is not let in."""
        self._check_load(path)
        if self._has_keys:
            self._check_key(exchange, path)

    def check_ready(self) -> None:
        """Raises RequestError while the server shuts down."""
        if self.draining:
            raise self.draining_error()

    @staticmethod
    def draining_error() -> RequestError:
        return RequestError(503, "draining", "The server is shutting down.", retry_after_seconds=1)

    def _check_load(self, path: str) -> None:
        limit = self._settings.max_requests
        reading = len(self._bodies)
        # Slow senders have a limit of their own, and take no room from requests that can be answered at once.
        if (self.in_progress() - reading > limit or reading > limit) and path not in PROBES:
            raise RequestError(
                503, "too_busy", "Too many requests in progress. Try again later.", retry_after_seconds=1
            )

    def _check_key(self, exchange: Exchange, path: str) -> None:
        settings = self._settings
        if ADMIN.fullmatch(path):
            if settings.admin_keys:
                require_key(exchange, settings.admin_keys)
            elif settings.api_keys:
                raise RequestError(403, "no_admin_key", "This server has no admin key. Set SERVING_ADMIN_KEYS.")
        elif settings.api_keys and not OPEN.fullmatch(path):
            require_key(exchange, settings.api_keys)
