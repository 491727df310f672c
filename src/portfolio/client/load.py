"""Requests at a constant rate, and the latency of their answers.

Open loop: each request has a planned time, and its latency counts from then. If a server
stalls, the requests that could not be sent meanwhile are as late as they would be for their users. A client that waits
for each answer before it asks again would send fewer just then, and report a stall as one slow request.
"""

from __future__ import annotations

import asyncio
import gc
import json
import selectors
from array import array
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from portfolio.client.connection import Address, Connection, unreachable
from portfolio.core.errors import ConfigError

MAX_REQUESTS = 5_000_000
MAX_CONNECTIONS = 500
# How long to wait for answers after the last planned time.
GRACE_SECONDS = 10.0
RECONNECT_SECONDS = 0.05
PROGRESS_SECONDS = 0.5


@dataclass(frozen=True)
class Load:
    """The results. Latencies are those of successful answers (2xx), in milliseconds from the planned time."""

    planned: int
    planned_rate: float
    good: int
    rate: float
    """Successful answers per second, up to the last one."""
    p50_ms: float
    p99_ms: float
    max_ms: float
    by_status: dict[str, int]
    """Answers by their status; `lost`: the connection ended before; `none`: no answer in time, or never sent."""
    client_late_p99_ms: float
    """How late the client itself was in sending. If this is large, the client was the bottleneck."""

    @property
    def failed(self) -> int:
        return self.planned - self.good

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def run(
    address: Address,
    request: bytes,
    *,
    rate: float,
    seconds: float,
    connections: int = 32,
    progress: Callable[[int, Counter[str]], None] | None = None,
) -> Load:
    """Send `request` for so long. `progress` is told now and then how many were planned by now, and their outcomes.

    Raises ConfigError if it would be too much to hold, PortfolioError if the server can't be reached.
    """
    if not 1 <= rate * seconds <= MAX_REQUESTS:
        raise ConfigError(f"{rate:g} per second for {seconds:g} s: the total must be 1 to {MAX_REQUESTS:,} requests.")
    if not 1 <= connections <= MAX_CONNECTIONS:
        raise ConfigError(f"{connections} connections: the number must be 1 to {MAX_CONNECTIONS}.")
    stream = _Stream(address, request, rate, int(rate * seconds), progress)
    # select() waits to the microsecond; epoll, and with it uvloop, to the millisecond, which is longer than an answer.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        # A garbage collection here would count as latency of the server.
        gc.collect()
        gc.disable()
        try:
            return runner.run(stream.run(connections))
        except OSError as error:
            raise unreachable(f"http://{address.authority}", error) from error
        finally:
            gc.enable()


class _Stream:
    def __init__(
        self,
        address: Address,
        request: bytes,
        rate: float,
        total: int,
        progress: Callable[[int, Counter[str]], None] | None,
    ) -> None:
        self._address = address
        self._request = request
        self._rate = rate
        self._total = total
        self._progress = progress
        self._next = 0
        self._idle: deque[Connection] = deque()
        self._planned: dict[Connection, float] = {}
        self._latencies, self._late = array("d"), array("d")
        self._outcomes: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self._reconnecting: set[asyncio.Task[None]] = set()
        self._done = asyncio.Event()

    async def run(self, connections: int) -> Load:
        self._loop = asyncio.get_running_loop()
        opening = [Connection.to(self._address, self._answered) for _ in range(connections)]
        self._idle.extend(await asyncio.gather(*opening))
        self._start = self._last_good = self._loop.time()
        telling = asyncio.create_task(self._tell())
        self._send_due()
        try:
            async with asyncio.timeout(self._total / self._rate + GRACE_SECONDS):
                await self._done.wait()
        except TimeoutError:
            self._outcomes["none"] = self._total - self._outcomes.total()
        for task in (telling, *self._reconnecting):
            task.cancel()
        if self._timer is not None:
            self._timer.cancel()
        for connection in (*self._idle, *self._planned):
            connection.close()
        return self._result()

    def _due_at(self, number: int) -> float:
        return self._start + number / self._rate

    def _send_due(self, *, by_timer: bool = False) -> None:
        """Send the requests that are due on free connections, and return when the next one is due."""
        now = self._loop.time()
        while self._idle and self._next < self._total and self._due_at(self._next) <= now:
            connection = self._idle.popleft()
            if not connection.is_open:
                self._reconnect()
                continue
            planned = self._due_at(self._next)
            self._next += 1
            if by_timer:
                # A connection was free in time, so any delay is this process's own.
                self._late.append(now - planned)
            self._planned[connection] = planned
            connection.send(self._request)
        if self._timer is None and self._idle and self._next < self._total:
            self._timer = self._loop.call_at(self._due_at(self._next), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._send_due(by_timer=True)

    def _answered(self, connection: Connection, status: int) -> None:
        planned = self._planned.pop(connection, None)
        if planned is None:
            return
        now = self._loop.time()
        self._outcomes[str(status) if status else "lost"] += 1
        if 200 <= status < 300:
            self._latencies.append(now - planned)
            self._last_good = now
        if connection.is_open:
            self._idle.append(connection)
        else:
            self._reconnect()
        if self._outcomes.total() == self._total:
            self._done.set()
            return
        self._send_due()

    def _reconnect(self) -> None:
        task = self._loop.create_task(self._open_again())
        self._reconnecting.add(task)
        task.add_done_callback(self._reconnecting.discard)

    async def _open_again(self) -> None:
        while True:
            try:
                self._idle.append(await Connection.to(self._address, self._answered))
                break
            except OSError:
                await asyncio.sleep(RECONNECT_SECONDS)
        self._send_due()

    async def _tell(self) -> None:
        while self._progress is not None:
            await asyncio.sleep(PROGRESS_SECONDS)
            self._progress(min(self._total, int((self._loop.time() - self._start) * self._rate)), self._outcomes)

    def _result(self) -> Load:
        latencies, late = sorted(self._latencies), sorted(self._late)
        seconds = self._last_good - self._start
        return Load(
            planned=self._total,
            planned_rate=self._rate,
            good=len(latencies),
            rate=round(len(latencies) / seconds, 1) if seconds else 0.0,
            p50_ms=_percentile_ms(latencies, 0.5),
            p99_ms=_percentile_ms(latencies, 0.99),
            max_ms=_percentile_ms(latencies, 1),
            by_status=dict(sorted(self._outcomes.items())),
            client_late_p99_ms=_percentile_ms(late, 0.99),
        )


def _percentile_ms(ordered: list[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed; 0 if there are none."""
    return round(ordered[max(0, -int(-share * len(ordered) // 1) - 1)] * 1000, 3) if ordered else 0.0


def example_body(inputs: list[dict[str, Any]], rows: int) -> bytes:
    """A request body with that many rows, each the example from the model's fields."""
    example = {field["name"]: field["example"] for field in inputs}
    return json.dumps({"instances": [example] * rows}).encode()
