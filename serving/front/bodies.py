"""Reads request bodies, and gives up on those that arrive too slowly."""

from __future__ import annotations

import asyncio
import time

from serving.errors import RequestError
from serving.front.exchange import Exchange

CHECK_SECONDS = 0.5


class Bodies:
    """All bodies that are being read. A periodic check of them all cancels the late ones.

    A timer for each request would cost as much as reading a small body.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._deadlines: dict[asyncio.Task[object], float] = {}
        self._late: set[asyncio.Task[object]] = set()

    def __len__(self) -> int:
        return len(self._deadlines)

    async def read(self, exchange: Exchange, limit_bytes: int) -> bytes:
        """The whole body. Raises RequestError if it is too large or too slow."""
        task = asyncio.current_task()
        assert task is not None
        self._deadlines[task] = time.monotonic() + self._timeout_seconds
        try:
            return await exchange.body(limit_bytes)
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            task.uncancel()
            raise RequestError(
                408, "too_slow", f"The body did not arrive within {self._timeout_seconds:g} seconds."
            ) from None
        finally:
            del self._deadlines[task]
            self._late.discard(task)

    async def watch(self) -> None:
        """Cancel late ones, until cancelled itself."""
        while True:
            await asyncio.sleep(min(CHECK_SECONDS, self._timeout_seconds))
            now = time.monotonic()
            for task, deadline in self._deadlines.items():
                if deadline < now and task not in self._late:
                    self._late.add(task)
                    task.cancel()
