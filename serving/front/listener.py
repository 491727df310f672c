"""Takes new connections: all that wait, at once, or in turns with the other workers.

uvloop's own server takes one in each turn of the event loop, and a turn lasts as long as the requests in it. Where 32
clients each sent 256 rows at the same time, the last of them waited three seconds for its first answer.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

logger = logging.getLogger("serving")
# In one turn, so that those who are connected already get theirs.
MAX_AT_ONCE = 64
# How long a connection is left to a worker that has fewer. An idle one takes it within a fraction of this.
YIELD_SECONDS = 0.01
# Where there is no room for more connections, until it is tried again.
PAUSE_SECONDS = 0.5
NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Listener:
    """Gives each new connection a protocol of its own. It is closed like one of asyncio's servers.

    `is_busier` says whether another worker should take the next connection rather than this one.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        protocol: Callable[[], asyncio.Protocol],
        is_busier: Callable[[], bool] = lambda: False,
    ) -> None:
        self._sockets = list(sockets)
        self._protocol = protocol
        self._is_busier = is_busier
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()
        for listening in self._sockets:
            listening.setblocking(False)
            self._watch(listening)

    def close(self) -> None:
        """Stop listening. Clients that are connected already, as far as they know, are taken first."""
        sockets, self._sockets = self._sockets, []
        for listening in sockets:
            self._loop.remove_reader(listening)
            while self._take(listening):
                pass
            listening.close()

    async def wait_closed(self) -> None:
        """Return when all that were taken have their protocols."""
        if self._opening:
            await asyncio.wait(self._opening)

    def _watch(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            self._loop.add_reader(listening, self._ready, listening)

    def _ready(self, listening: socket.socket) -> None:
        if self._is_busier():
            self._pause(listening, YIELD_SECONDS)
            return
        for _ in range(MAX_AT_ONCE):
            if not self._take(listening) or self._is_busier():
                return

    def _pause(self, listening: socket.socket, seconds: float) -> None:
        self._loop.remove_reader(listening)
        self._loop.call_later(seconds, self._resume, listening)

    def _resume(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            # Whoever should have taken it has not.
            self._take(listening)
            self._watch(listening)

    def _take(self, listening: socket.socket) -> bool:
        """Take one connection. False if there is none, or no room for it."""
        try:
            connection, _ = listening.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in NO_ROOM:
                # This one has gone already.
                return True
            logger.warning("no room for more connections (%s); it is tried again", error.strerror)
            if listening in self._sockets:
                self._pause(listening, PAUSE_SECONDS)
            return False
        connection.setblocking(False)
        task = self._loop.create_task(self._open(connection))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return True

    async def _open(self, connection: socket.socket) -> None:
        # A client may have gone in the meantime.
        with suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(self._protocol, connection)
