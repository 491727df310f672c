"""What one worker knows of the others, and asks of them.

Each keeps a note on the board of what it has counted and how it stands. What must be true at this moment, a worker asks
for: messages go through a pipe for each worker, of which all have the other end.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import struct
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from typing import Final

from serving.record.figures import Counts, Standing
from serving.workers.board import Board

logger = logging.getLogger("serving")
NOTE_SECONDS = 0.5
# Kind, the place of the sender, and the number of its question. So short a message is written and read as a whole.
MESSAGE: Final = struct.Struct("=BBI")
READ_BYTES = MESSAGE.size * 512


class Kind(IntEnum):
    """What is asked for."""

    DONE = 0
    """It is an answer: what was asked for has been done."""
    NOTE = 1
    """Put on the board how you stand."""
    LOOK = 2
    """Look at the store."""
    WRITE = 3
    """Write what you have answered to the prediction log."""


@dataclass(frozen=True)
class Note:
    counts: Counts
    standing: Standing


@dataclass(frozen=True)
class Place:
    """A worker's place among the others, made by the supervisor."""

    number: int
    board: Board
    ends: tuple[tuple[int, int], ...]
    """By place, the file descriptors from which its messages are read, and to which they are written."""
    life: int
    """A file descriptor that ends with the supervisor."""
    started_at_seconds: float
    """When the server started; a worker may be a later one."""

    def former(self) -> Counts | None:
        """What the one before at this place had counted."""
        note = self.note(self.number)
        return None if note is None else note.counts

    def note(self, place: int) -> Note | None:
        raw = self.board.read(place)
        if raw is None:
            return None
        # Only the workers themselves write there.
        note: Note = pickle.loads(raw)
        return note


class Siblings:
    """`note` says how this worker stands; `act` does what others ask of it, by kind."""

    def __init__(
        self, place: Place, note: Callable[[], Note], act: Mapping[Kind, Callable[[], Awaitable[object]]]
    ) -> None:
        self._place = place
        self._board = place.board
        self._note = note
        self._act = act
        self._numbers = count()
        self._asked: dict[int, tuple[set[int], asyncio.Event]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_listening = False
        self._connections: set[object] = set()

    @property
    def _others(self) -> Iterator[int]:
        """The places of those that take requests."""
        mine = self._place.number
        return (place for place in range(self._board.workers) if place != mine and self._board.is_listening(place))

    def notes(self) -> list[Note]:
        """What the others said last, also those that have ended: what they counted still counts."""
        found = (self._place.note(place) for place in range(self._board.workers) if place != self._place.number)
        return [note for note in found if note is not None]

    def standings(self) -> list[Standing]:
        """How those stand that take requests."""
        return [note.standing for note in map(self._place.note, self._others) if note is not None]

    def listen(self, connections: set[object]) -> None:
        """This worker takes requests from now on, on these connections."""
        self._is_listening, self._connections = True, connections
        self._set_state()

    def stop_listening(self) -> None:
        self._is_listening = False
        self._set_state()

    def follow_supervisor(self, end: Callable[[], None]) -> None:
        """Call `end` when the supervisor ends, however it does."""
        loop = asyncio.get_running_loop()

        def ended() -> None:
            loop.remove_reader(self._place.life)
            end()

        loop.add_reader(self._place.life, ended)

    def connected(self) -> None:
        """The number of connections has changed."""
        self._set_state()

    def is_busier(self) -> bool:
        """Whether another one has fewer connections."""
        mine = len(self._connections)
        return mine > 0 and any(self._board.connections(place) < mine for place in self._others)

    async def run(self) -> None:
        """Keep the note up to date and answer the others, until cancelled."""
        loop = asyncio.get_running_loop()
        end, _ = self._place.ends[self._place.number]
        # Questions to the one before at this place.
        while _read(end):
            pass
        loop.add_reader(end, self._hear, end)
        try:
            while True:
                self.put_note()
                await asyncio.sleep(NOTE_SECONDS)
        finally:
            loop.remove_reader(end)
            self.put_note()

    def put_note(self) -> None:
        self._board.write(self._place.number, pickle.dumps(self._note()))
        self._set_state()

    async def ask(self, kind: Kind, seconds: float) -> bool:
        """Ask all others that take requests. False if one has not done it within that time, or can't be asked."""
        number = next(self._numbers)
        awaited = set(self._others)
        if not awaited:
            return True
        done = asyncio.Event()
        self._asked[number] = awaited, done
        try:
            for place in list(awaited):
                self._send(place, kind, number)
            async with asyncio.timeout(seconds):
                await done.wait()
        except TimeoutError:
            logger.warning("worker %s did not answer", ", ".join(str(place) for place in sorted(awaited)))
            return False
        finally:
            del self._asked[number]
        return True

    def _set_state(self) -> None:
        self._board.set_state(
            self._place.number,
            connections=len(self._connections),
            is_listening=self._is_listening,
            seen_at=time.monotonic(),
        )

    def _hear(self, end: int) -> None:
        raw = _read(end)
        for kind, sender, number in MESSAGE.iter_unpack(raw[: len(raw) - len(raw) % MESSAGE.size]):
            if kind != Kind.DONE:
                task = asyncio.get_running_loop().create_task(self._do(Kind(kind), sender, number))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            elif number in self._asked:
                awaited, done = self._asked[number]
                awaited.discard(sender)
                if not awaited:
                    done.set()

    async def _do(self, kind: Kind, sender: int, number: int) -> None:
        try:
            await self._act[kind]()
        except Exception as error:
            # Whoever asked learns it from the lack of an answer.
            logger.error("%s could not be done for worker %d: %s", kind.name, sender, error)
            return
        self.put_note()
        self._send(sender, Kind.DONE, number)

    def _send(self, place: int, kind: Kind, number: int) -> None:
        try:
            os.write(self._place.ends[place][1], MESSAGE.pack(kind, self._place.number, number))
        except BlockingIOError:
            # It reads nothing any more, and will be missed.
            logger.warning("worker %d takes no messages", place)


def _read(end: int) -> bytes:
    try:
        return os.read(end, READ_BYTES)
    except BlockingIOError:
        return b""
