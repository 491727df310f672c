"""New connections are taken all at once, however long the turns of the event loop are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from socket import create_connection, create_server, socket

import pytest

from serving.front.listener import Listener

CLIENTS = 20


class Counting(asyncio.Protocol):
    def __init__(self, made: list[int]) -> None:
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._made.append(1)
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


@pytest.fixture
def listening() -> Iterator[socket]:
    with create_server(("127.0.0.1", 0)) as listening, ExitStack() as stack:
        # They wait in the kernel, connected as far as they know.
        for _ in range(CLIENTS):
            stack.enter_context(create_connection(listening.getsockname()))
        yield listening


def test_all_that_wait_are_taken_within_a_few_turns(listening: socket) -> None:
    async def turns() -> int:
        made: list[int] = []
        listener = Listener([listening], lambda: Counting(made))
        count = 0
        while len(made) < CLIENTS:
            count += 1
            await asyncio.sleep(0)
        listener.close()
        return count

    assert asyncio.run(turns()) < CLIENTS / 2


def test_those_that_wait_when_it_is_closed_are_taken_first(listening: socket) -> None:
    async def made_by_close() -> int:
        made: list[int] = []
        listener = Listener([listening], lambda: Counting(made))
        listener.close()
        await listener.wait_closed()
        await asyncio.sleep(0)
        return len(made)

    assert asyncio.run(made_by_close()) == CLIENTS


def test_one_that_is_busier_leaves_connections_to_others_for_a_moment_and_then_takes_them(listening: socket) -> None:
    async def made_by_then() -> tuple[int, int]:
        made: list[int] = []
        listener = Listener([listening], lambda: Counting(made), is_busier=lambda: True)
        for _ in range(5):
            await asyncio.sleep(0)
        at_once = len(made)
        async with asyncio.timeout(20):
            while len(made) < CLIENTS:
                await asyncio.sleep(0.01)
        listener.close()
        return at_once, len(made)

    assert asyncio.run(made_by_then()) == (0, CLIENTS)
