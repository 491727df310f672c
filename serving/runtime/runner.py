"""How a bundle is run: on the event loop, in a thread, or in a thread batched with the rows of other requests.

Which of these is decided when the bundle is loaded, from its latency as measured then.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import MAX_TEXT_LENGTH, InputField
from portfolio.core.types import Array

ROUNDS = 20
# Rows of the batch that is measured.
MANY_ROWS = 16
# How long the event loop may be blocked: handing work to a thread and back takes a good part of this.
INLINE_MS = 2.0
# Batching pays off if a row in a batch costs at most this share of a row alone.
WORTH_BATCHING = 0.7
# Longer batches would make single requests wait too long.
MAX_BATCH_MS = 50.0

# Of a text's characters: a document of many pages would take seconds to measure.
MAX_MEASURED_LENGTH = 1000

Inputs = dict[str, Array]


@dataclass(frozen=True)
class Plan:
    """What was measured of a bundle, and how it is therefore run."""

    one_row_ms: float
    row_of_many_ms: float
    inline_rows: int
    batching: bool
    max_batch_rows: int

    @classmethod
    def measured(cls, bundle: Bundle) -> Plan:
        golden = bundle.arrays(bundle.manifest.golden_inputs)
        rows = len(next(iter(golden.values())))
        one = {name: array[:1] for name, array in golden.items()}
        # Of texts, which take longer the longer they are, the longest: nobody knows what a request of many will hold.
        longest = {field.name: _longest(field, golden[field.name]) for field in bundle.manifest.inputs}
        many = {name: array[np.arange(MANY_ROWS) % rows] for name, array in longest.items()}
        one_ms, many_ms = (_best_ms(lambda inputs=inputs: bundle.predict(inputs)) for inputs in (one, many))  # type: ignore[misc]
        row_ms = many_ms / MANY_ROWS
        inline_rows = 0 if one_ms > INLINE_MS else 1 + int((INLINE_MS - one_ms) / row_ms)
        return cls(
            one_row_ms=round(one_ms, 4),
            row_of_many_ms=round(row_ms, 4),
            inline_rows=inline_rows,
            batching=inline_rows == 0 and row_ms <= WORTH_BATCHING * one_ms,
            max_batch_rows=max(1, int(MAX_BATCH_MS / row_ms)),
        )


def _longest(field: InputField, array: Array) -> Array:
    """The texts [rows, 1] of a field, repeated until they are as long as they may be; others as they are."""
    if field.kind != "text":
        return array
    length = min(field.max_length or MAX_TEXT_LENGTH, MAX_MEASURED_LENGTH)
    texts = [(text or "?") * (1 + length // max(1, len(text))) for (text,) in array.tolist()]
    return np.array([text[:length] for text in texts], dtype=object).reshape(-1, 1)


def _best_ms(run: Callable[[], object]) -> float:
    """The shortest of several runs: other work on the machine can only make a run longer."""
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
        if sum(seconds) > 1:
            break
    return min(seconds) * 1000


@dataclass
class _Waiting:
    inputs: Inputs
    rows: int
    timeout_seconds: float
    deadline: float
    outputs: asyncio.Future[Array]

    def is_late(self, now: float, run_seconds: float) -> bool:
        """Whether a run of `run_seconds` would end after the deadline.

        At most half of the timeout is assumed: one run that was held up must not turn away requests that just arrived.
        """
        return now + min(run_seconds, self.timeout_seconds / 2) > self.deadline


class Runner:
    """Runs one bundle: short work at once, other work in a thread, in order of arrival."""

    def __init__(self, bundle: Bundle, plan: Plan) -> None:
        self.plan = plan
        self._bundle = bundle
        self._queue: deque[_Waiting] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._last_run_seconds = 0.0
        # The thread starts with the first work for it, and ends with the last reference to the runner.
        self._pool = ThreadPoolExecutor(1, "inference")

    async def run(self, inputs: Inputs, rows: int, timeout_seconds: float) -> Array:
        """The outputs [rows, outputs] for inputs [rows, width] by name. Raises TimeoutError if they are late."""
        if rows <= self.plan.inline_rows:
            return self._bundle.predict(inputs)
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        size = self.plan.max_batch_rows
        async with asyncio.timeout_at(deadline):
            if rows <= size:
                return await self._wait(inputs, rows, timeout_seconds, deadline)
            # Each part queues again, so that one large request does not hold up all others.
            parts = []
            for start in range(0, rows, size):
                part = {name: array[start : start + size] for name, array in inputs.items()}
                parts.append(await self._wait(part, min(size, rows - start), timeout_seconds, deadline))
            return np.concatenate(parts)

    async def _wait(self, inputs: Inputs, rows: int, timeout_seconds: float, deadline: float) -> Array:
        waiting = _Waiting(inputs, rows, timeout_seconds, deadline, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await waiting.outputs

    async def _work(self) -> None:
        """Run what is queued, batch by batch: while one runs, the next one gathers."""
        loop = asyncio.get_running_loop()
        while batch := self._next_batch(loop.time()):
            started = loop.time()
            try:
                outputs = await loop.run_in_executor(self._pool, self._predict, batch)
            except Exception as error:
                for waiting in batch:
                    if not waiting.outputs.done():
                        waiting.outputs.set_exception(error)
                continue
            self._last_run_seconds = loop.time() - started
            start = 0
            for waiting in batch:
                # A request that gave up waiting has been cancelled.
                if not waiting.outputs.done():
                    waiting.outputs.set_result(outputs[start : start + waiting.rows])
                start += waiting.rows
        self._worker = None

    def _next_batch(self, now: float) -> list[_Waiting]:
        """What runs next, and can still be answered in time: running the rest would only make more answers late."""
        batch: list[_Waiting] = []
        rows = 0
        while self._queue:
            waiting = self._queue[0]
            if waiting.outputs.done():
                self._queue.popleft()
            elif waiting.is_late(now, self._last_run_seconds):
                self._queue.popleft().outputs.set_exception(TimeoutError())
            elif not batch or (self.plan.batching and rows + waiting.rows <= self.plan.max_batch_rows):
                rows += waiting.rows
                batch.append(self._queue.popleft())
            else:
                break
        return batch

    def _predict(self, batch: list[_Waiting]) -> Array:
        if len(batch) == 1:
            return self._bundle.predict(batch[0].inputs)
        names: list[Any] = list(batch[0].inputs)
        return self._bundle.predict({name: np.concatenate([one.inputs[name] for one in batch]) for name in names})
