"""How a bundle is run: at once, in a thread, or in a thread with other requests' rows as one batch.

Which of these is decided when the bundle is loaded, by its own latency as it is measured there.
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

from portfolio.bundle import Array, Bundle

ROUNDS = 20
# Rows that are measured together.
MANY_ROWS = 16
# What the event loop may be held up for: handing the work to a thread and back takes a good part of this.
INLINE_MS = 2.0
# Batching pays where a row among many costs at most this share of a row alone.
WORTH_BATCHING = 0.7
# Longer batches would let a single request wait too long.
MAX_BATCH_MS = 50.0

Inputs = dict[str, Array]


@dataclass(frozen=True)
class Plan:
    """What was measured of a bundle, and what follows from it."""

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
        many = {name: array[np.arange(MANY_ROWS) % rows] for name, array in golden.items()}
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


def _best_ms(run: Callable[[], object]) -> float:
    """The shortest of several runs: other work on the machine only ever makes one longer."""
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
    outputs: asyncio.Future[Array]


class Runner:
    """Runs one bundle. `run_now` answers in the caller's own time if that is short; else `run` waits in line."""

    def __init__(self, bundle: Bundle, plan: Plan) -> None:
        self.plan = plan
        self._bundle = bundle
        self._line: deque[_Waiting] = deque()
        self._worker: asyncio.Task[None] | None = None
        # Its thread starts with the first work that needs it, and ends with the last reference to the runner.
        self._pool = ThreadPoolExecutor(1, "inference")

    async def run(self, inputs: Inputs, rows: int) -> Array:
        """The outputs for `rows` rows of inputs."""
        if rows <= self.plan.inline_rows:
            return self._bundle.predict(inputs)
        waiting = _Waiting(inputs, rows, asyncio.get_running_loop().create_future())
        self._line.append(waiting)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await waiting.outputs

    async def _work(self) -> None:
        """Run what waits, one batch after the other: while one runs, the next one gathers."""
        loop = asyncio.get_running_loop()
        while self._line:
            batch = self._next_batch()
            try:
                outputs = await loop.run_in_executor(self._pool, self._predict, batch)
            except Exception as error:
                for waiting in batch:
                    if not waiting.outputs.done():
                        waiting.outputs.set_exception(error)
                continue
            start = 0
            for waiting in batch:
                # One that gave up waiting has been cancelled.
                if not waiting.outputs.done():
                    waiting.outputs.set_result(outputs[start : start + waiting.rows])
                start += waiting.rows
        self._worker = None

    def _next_batch(self) -> list[_Waiting]:
        batch = [self._line.popleft()]
        rows = batch[0].rows
        while self.plan.batching and self._line and rows + self._line[0].rows <= self.plan.max_batch_rows:
            rows += self._line[0].rows
            batch.append(self._line.popleft())
        return [waiting for waiting in batch if not waiting.outputs.done()] or batch[:1]

    def _predict(self, batch: list[_Waiting]) -> Array:
        if len(batch) == 1:
            return self._bundle.predict(batch[0].inputs)
        names: list[Any] = list(batch[0].inputs)
        return self._bundle.predict({name: np.concatenate([one.inputs[name] for one in batch]) for name in names})
