"""Many connections that each ask again as soon as they are answered, in a thread beside the test."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

from portfolio.client.connection import Address, Connection

LAST_ANSWERS_SECONDS = 20.0
RECONNECT_SECONDS = 0.02

See = Callable[[Connection, int], None]


class Clients:
    """`counts` has the answers by status; `lost` are requests that were sent and had no whole answer.

    `see` gets each answer, in the clients' thread. With `reconnect`, a connection that ended is opened again.
    """

    def __init__(
        self, url: str, request: bytes, connections: int, see: See | None = None, *, reconnect: bool = True
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.reconnect = reconnect
        self._address = Address(url)
        self._request = request
        self._connections = connections
        self._see = see
        self._stopping = False
        self._asking: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._fault: BaseException | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clients")

    @property
    def lost(self) -> int:
        return self.counts["lost"]

    @property
    def failed(self) -> int:
        """Requests without a good answer."""
        return self.counts.total() - self.counts["200"]

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        if self._fault is not None:
            self._thread.join()
            raise self._fault
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask no more, and return when what was asked has been answered."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._begin_to_stop)
        self._thread.join()

    def wait(self) -> None:
        """Return when every connection has ended; only of use without `reconnect`."""
        self._thread.join(LAST_ANSWERS_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as fault:
            self._fault = fault
        finally:
            self._started.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        opened = await asyncio.gather(*(Connection.to(self._address, self._answered) for _ in range(self._connections)))
        self._started.set()
        for connection in opened:
            self._ask(connection)
        await self._ended.wait()
        self.counts["lost"] += len(self._asking)
        for task in self._opening:
            task.cancel()
        for connection in (*opened, *self._asking):
            connection.close()
        # What was closed is told so before the loop ends.
        await asyncio.sleep(0)

    def _ask(self, connection: Connection) -> None:
        self._asking.add(connection)
        connection.send(self._request)

    def _answered(self, connection: Connection, status: int) -> None:
        if connection not in self._asking:
            return
        self._asking.discard(connection)
        self.counts[str(status) if status else "lost"] += 1
        if self._see is not None and status:
            self._see(connection, status)
        if self._stopping:
            connection.close()
        elif connection.is_open:
            self._ask(connection)
        elif self.reconnect:
            task = self._loop.create_task(self._open_again())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        if not self._asking and (self._stopping or not self.reconnect):
            self._ended.set()

    async def _open_again(self) -> None:
        while not self._stopping:
            try:
                connection = await Connection.to(self._address, self._answered)
            except OSError:
                await asyncio.sleep(RECONNECT_SECONDS)
                continue
            if self._stopping:
                connection.close()
            else:
                self._ask(connection)
            return

    def _begin_to_stop(self) -> None:
        self._stopping = True
        if not self._asking:
            self._ended.set()
        self._loop.call_later(LAST_ANSWERS_SECONDS, self._ended.set)
