"""The process that serves: uvicorn, with a shutdown that loses no request."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from types import FrameType
from typing import Any

import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from portfolio.monitoring.prediction_log.log import PredictionLog
from serving.app import create_app
from serving.front.gathered import GatheredProtocol
from serving.front.listener import Listener
from serving.front.security import ALWAYS
from serving.record.logs import LogWriter
from serving.services import Services
from serving.settings import Settings
from serving.workers.supervisor import Supervisor

# How long open connections may still send requests, and are told to close.
DRAIN_SECONDS = 1.0
# After that, how long requests in progress may take. With 4 + 1 seconds for the logs, everything takes less than ten.
FINISH_SECONDS = 3
# Connections may be as many as files may be open, but for those that the server itself needs.
OWN_FILES = 64
MAX_CONNECTIONS = 8192
TICKS_A_SECOND = 10
# Allocations without a release before Python looks for reference cycles. Requests leave none.
GC_THRESHOLD = 50_000


class Server(uvicorn.Server):
    """On SIGTERM it stops accepting, answers what still comes on open connections, closes them, and ends."""

    def __init__(self, config: uvicorn.Config, services: Services) -> None:
        super().__init__(config)
        settings = services.settings
        self._services = services
        self._siblings = services.siblings
        self._max_requests = settings.max_requests
        self._idle_seconds = settings.keep_alive_seconds
        self._delay_seconds = settings.shutdown_delay_seconds
        services.admission.in_progress = self._in_progress
        if self._siblings is not None:
            self.server_state.connections = Counted(self._siblings.connected)

    def _in_progress(self) -> int:
        """The requests in progress, with those that have been read and wait for their turn."""
        tasks = self.server_state.tasks
        if len(tasks) <= self._max_requests:
            return len(tasks)
        # Requests answered in this turn of the event loop are still among them. If they counted, they would keep out
        # all others of this turn, and under overload every request would be refused.
        return sum(not task.done() for task in tasks)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # uvicorn would listen by itself, and take one connection in each turn of the event loop.
        await super().startup(sockets=[])
        protocol = partial(
            GatheredProtocol, config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        if self._siblings is None:
            self.servers = [Listener(sockets or [], protocol)]  # type: ignore[list-item]
            return
        self._siblings.follow_supervisor(self._end)
        # What a worker without a model would refuse, the others can answer.
        while not self.should_exit and self._services.is_useless():
            await asyncio.sleep(1 / TICKS_A_SECOND)
        self.servers = [Listener(sockets or [], protocol, self._siblings.is_busier)]  # type: ignore[list-item]
        self._siblings.listen(self.server_state.connections)

    def _end(self) -> None:
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_A_SECOND == 0:
            now = time.monotonic()
            for connection in list(self.server_state.connections):
                # uvicorn's own limit only counts between requests.
                connection.end_if_idle(now - self._idle_seconds)  # type: ignore[union-attr]
                connection.end_if_stalled(now)  # type: ignore[union-attr]
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._services.admission.draining = True
        # A load balancer needs a while to see that the server is no longer ready. Ctrl-C a second time ends this.
        until = time.monotonic() + self._delay_seconds
        while time.monotonic() < until and not self.force_exit:
            await asyncio.sleep(0.02)
        for server in self.servers:
            server.close()
        if self._siblings is not None:
            self._siblings.stop_listening()
        # uvicorn would cut idle connections at once, and lose requests that are on their way.
        deadline = time.monotonic() + DRAIN_SECONDS
        while self.server_state.connections and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)


class Counted(set[Any]):
    """Connections; the others are told how many there are."""

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__()
        self._changed = changed

    def add(self, connection: Any) -> None:
        super().add(connection)
        self._changed()

    def discard(self, connection: Any) -> None:
        super().discard(connection)
        self._changed()


def run(sockets: list[socket.socket]) -> None:
    """Serve on sockets that listen, until SIGTERM or Ctrl-C. Raises ConfigError if the settings make no sense."""
    settings = Settings.from_environment()
    place = None
    # Once, not in each worker: what is wrong is said.
    _claim_log(settings)
    if settings.workers > 1:
        # What is imported is shared.
        import_module("onnxruntime")
        place = Supervisor(settings, sockets).run()
    log = LogWriter(is_shared=place is not None)
    application = create_app(settings, log, place)
    config = uvicorn.Config(
        application,
        workers=1,
        log_config=None,
        access_log=False,
        lifespan="on",
        headers=ALWAYS,
        server_header=False,
        proxy_headers=False,
        ws="none",
        http=GatheredProtocol,
        timeout_graceful_shutdown=FINISH_SECONDS,
        timeout_keep_alive=settings.keep_alive_seconds,  # type: ignore[arg-type]  # it is only handed on to call_later
    )
    GatheredProtocol.max_connections = _room_for_connections()
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again at the end. By then the shutdown is complete.
        signal.signal(number, _end)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        # The terminal was closed. `nohup` has it ignored.
        signal.signal(signal.SIGHUP, _hang_up)
    log.start()
    # Whatever exists by now is here to stay: searching it for cycles again and again would cost more than the requests.
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    gc.enable()
    try:
        Server(config, application.services).run(sockets)
    except SystemExit as end:
        log.stop()
        # Python would wait for a model that still runs in a thread, however long that takes.
        os._exit(end.code if isinstance(end.code, int) else 1)
    finally:
        log.stop()


def _claim_log(settings: Settings) -> None:
    """Raises ConfigError if the prediction log is another use case's."""
    log = PredictionLog(settings.log_address)
    try:
        log.claim(settings.use_case)
    except (SQLAlchemyError, OSError):
        # A log that can't be used holds up no predictions: the recorder says why, and tries again.
        pass
    finally:
        log.close()


def _room_for_connections() -> int:
    """How many connections may be open at once, with as many files allowed as this process may ask for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + OWN_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(MAX_CONNECTIONS, soft - min(OWN_FILES, soft // 2))


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def _hang_up(number: int, frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGTERM)
