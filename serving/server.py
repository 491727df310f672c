"""The process that serves: uvicorn, with an end that loses no request."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import time
from types import FrameType

import uvicorn

from serving.app import Application, create_app
from serving.gathered import GatheredProtocol
from serving.logs import LogWriter
from serving.security import ALWAYS
from serving.settings import Settings

# How long connections are given to send what they are about to, and to be told to close.
DRAIN_SECONDS = 1.0
# After that, for requests that are under way. With what the logs take, 4 and 1 seconds, all stays within ten.
FINISH_SECONDS = 3
# How long a connection may be open without a request under way; uvicorn's own limit holds only between two requests.
IDLE_SECONDS = 5
TICKS_A_SECOND = 10
BACKLOG = 2048
# Objects made, and not freed, before Python looks for cycles. Requests leave none.
GC_THRESHOLD = 50_000


class Server(uvicorn.Server):
    """On SIGTERM: stop accepting, answer what comes on open connections and close them, then end."""

    def __init__(self, config: uvicorn.Config, application: Application, max_requests: int) -> None:
        super().__init__(config)
        self._application = application
        self._max_requests = max_requests
        application.busy = self._busy

    def _busy(self) -> int:
        """The requests under way, with those that were read and wait for their turn."""
        tasks = self.server_state.tasks
        if len(tasks) <= self._max_requests:
            return len(tasks)
        # Those that were answered in this turn of the event loop are still among them: counted, they would keep out
        # everybody else of that turn, and under an overload all would be refused and nobody answered.
        return sum(not task.done() for task in tasks)

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_A_SECOND == 0:
            before = time.monotonic() - IDLE_SECONDS
            for connection in list(self.server_state.connections):
                connection.end_if_idle(before)  # type: ignore[union-attr]
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._application.draining = True
        for server in self.servers:
            server.close()
        # uvicorn would cut idle connections at once, and with them requests that are on their way.
        deadline = time.monotonic() + DRAIN_SECONDS
        while self.server_state.connections and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)


def run(host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises ConfigError if the settings make no sense."""
    settings = Settings.from_environment()
    log = LogWriter()
    application = create_app(settings, log)
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        lifespan="on",
        headers=ALWAYS,
        server_header=False,
        proxy_headers=False,
        ws="none",
        http=GatheredProtocol,
        backlog=BACKLOG,
        timeout_graceful_shutdown=FINISH_SECONDS,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again when all is done: that is an end as it should be.
        signal.signal(number, _end)
    log.start()
    # What is there by now stays: looking through it for cycles again and again would take longer than the requests do.
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    try:
        Server(config, application, settings.max_requests).run()
    except SystemExit as end:
        log.stop()
        # A model that still runs in a thread would be waited for, however long that takes.
        os._exit(end.code if isinstance(end.code, int) else 1)
    finally:
        log.stop()


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(0)
