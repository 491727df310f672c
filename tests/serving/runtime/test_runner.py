"""Rows of different requests share a run where that pays, and each gets its own answer."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest

from portfolio.bundle.bundle import Bundle
from portfolio.core.types import Array
from serving.runtime.runner import Plan, Runner
from tests.tiny import tiny_bundle

ROWS = np.array([[1, 2, 3, 4], [4, 3, 2, 1], [2, 2, 2, 2], [0, 0, 9, 9], [9, 9, 0, 0]], dtype=np.float32)


class Held:
    """A bundle whose first run waits until it is let go, so that others gather behind it."""

    def __init__(self, bundle: Bundle) -> None:
        self.batches: list[int] = []
        self.go = threading.Event()
        self._bundle = bundle

    def predict(self, inputs: dict[str, Array]) -> Array:
        self.batches.append(len(inputs["pixels"]))
        assert self.go.wait(10)
        return self._bundle.predict(inputs)


def plan(*, batching: bool, inline_rows: int = 0, max_batch_rows: int = 100) -> Plan:
    return Plan(3.0, 1.0, inline_rows, batching, max_batch_rows)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return tiny_bundle(tmp_path / "tiny")


def run_all(bundle: Bundle, plan: Plan) -> tuple[list[int], list[Array]]:
    """Send each row as a request of its own, at once. Gives the sizes of the runs, and the answers."""
    held = Held(bundle)

    async def run() -> list[Array]:
        runner = Runner(held, plan)  # type: ignore[arg-type]
        tasks = []
        for number in range(len(ROWS)):
            tasks.append(asyncio.create_task(runner.run({"pixels": ROWS[number : number + 1]}, 1, 10)))
            while not held.batches:
                # The first one runs by itself; the others come while it does.
                await asyncio.sleep(0.001)
        await asyncio.sleep(0)
        held.go.set()
        return await asyncio.gather(*tasks)

    return held.batches, asyncio.run(run())


@pytest.mark.parametrize(
    ("batching", "max_batch_rows", "sizes"), [(True, 100, [1, 4]), (True, 2, [1, 2, 2]), (False, 100, [1] * 5)]
)
def test_what_waits_is_run_together(bundle: Bundle, batching: bool, max_batch_rows: int, sizes: list[int]) -> None:
    found, answers = run_all(bundle, plan(batching=batching, max_batch_rows=max_batch_rows))
    assert found == sizes
    np.testing.assert_allclose(np.concatenate(answers), bundle.predict({"pixels": ROWS}), rtol=1e-6)


def test_one_that_gave_up_does_not_shift_the_others(bundle: Bundle) -> None:
    held = Held(bundle)

    async def run() -> list[Array]:
        runner = Runner(held, plan(batching=True))  # type: ignore[arg-type]
        tasks = [asyncio.create_task(runner.run({"pixels": ROWS[n : n + 1]}, 1, 10)) for n in range(len(ROWS))]
        while not held.batches:
            await asyncio.sleep(0.001)
        assert held.batches == [len(ROWS)]
        tasks[2].cancel()
        await asyncio.sleep(0)
        held.go.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(found.pop(2), asyncio.CancelledError)
        return found  # type: ignore[return-value]

    answers = asyncio.run(run())
    expected = bundle.predict({"pixels": np.delete(ROWS, 2, axis=0)})
    np.testing.assert_allclose(np.concatenate(answers), expected, rtol=1e-6)


def test_what_gave_up_is_not_run_and_what_would_come_too_late_is_told_so(bundle: Bundle) -> None:
    held = Held(bundle)

    async def run() -> None:
        runner = Runner(held, plan(batching=False))  # type: ignore[arg-type]
        ask = lambda seconds: asyncio.create_task(runner.run({"pixels": ROWS[:1]}, 1, seconds))  # noqa: E731
        first, gave_up, late = ask(10), ask(10), ask(0.35)
        while not held.batches:
            await asyncio.sleep(0.001)
        gave_up.cancel()
        await asyncio.sleep(0.3)
        held.go.set()
        await first
        # The last run took 0.3 seconds: one that has much less left is not begun.
        with pytest.raises(TimeoutError):
            await late
        # But one run that was held up for longer than a request may take keeps nobody out who has just come.
        await ask(0.25)

    asyncio.run(run())
    assert held.batches == [1, 1]


def test_a_large_request_is_run_in_parts_with_others_between(bundle: Bundle) -> None:
    held = Held(bundle)

    async def run() -> list[Array]:
        runner = Runner(held, plan(batching=False, max_batch_rows=2))  # type: ignore[arg-type]
        large = asyncio.create_task(runner.run({"pixels": ROWS}, len(ROWS), 10))
        while not held.batches:
            await asyncio.sleep(0.001)
        small = asyncio.create_task(runner.run({"pixels": ROWS[:1]}, 1, 10))
        await asyncio.sleep(0)
        held.go.set()
        return list(await asyncio.gather(large, small))

    large, small = asyncio.run(run())
    assert held.batches == [2, 1, 2, 1]
    np.testing.assert_allclose(large, bundle.predict({"pixels": ROWS}), rtol=1e-6)
    np.testing.assert_allclose(small, bundle.predict({"pixels": ROWS[:1]}), rtol=1e-6)


def test_a_run_that_fails_fails_its_requests_and_no_later_ones(bundle: Bundle) -> None:
    async def run() -> None:
        runner = Runner(bundle, plan(batching=True))
        with pytest.raises(Exception, match="invalid dimensions for input: input_0"):
            await runner.run({"pixels": ROWS[:, :3]}, len(ROWS), 10)
        assert (await runner.run({"pixels": ROWS}, len(ROWS), 10)).shape == (len(ROWS), 2)

    asyncio.run(run())


def test_a_small_model_is_run_at_once_and_needs_no_batches(bundle: Bundle) -> None:
    found = Plan.measured(bundle)
    assert found.inline_rows > 1
    assert not found.batching
