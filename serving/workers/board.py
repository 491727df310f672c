"""Memory that the workers share: each writes its own place, and all read every place."""

from __future__ import annotations

import mmap
import struct
import zlib
from typing import Final

PLACE_BYTES = 256 * 1024
HALF_BYTES = PLACE_BYTES // 2
# How many notes were written, the number of open connections, whether it takes new ones, and when it last wrote.
HEAD: Final = struct.Struct("=QIId")
# Of a note: its length and its checksum.
NOTE: Final = struct.Struct("=II")


class Board:
    """Made before the workers are forked. A place stays as it is when its worker ends."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._memory = mmap.mmap(-1, workers * PLACE_BYTES)

    def write(self, place: int, note: bytes) -> None:
        """Replace a place's note. Whoever reads at the same moment, or after a kill in between, finds the one before.

        Raises ValueError if it is too long.
        """
        if len(note) > HALF_BYTES - HEAD.size - NOTE.size:
            raise ValueError(f"a note of {len(note):,} bytes does not fit")
        written, *rest = self._head(place)
        start = self._start(place, written + 1)
        NOTE.pack_into(self._memory, start, len(note), zlib.crc32(note))
        self._memory[start + NOTE.size : start + NOTE.size + len(note)] = note
        self._set_head(place, written + 1, *rest)

    def read(self, place: int) -> bytes | None:
        """A place's latest note, or None before the first."""
        while written := self._head(place)[0]:
            start = self._start(place, written)
            length, checksum = NOTE.unpack_from(self._memory, start)
            note = self._memory[start + NOTE.size : start + NOTE.size + length]
            # Otherwise it was overwritten in the meantime, and there is a newer one.
            if zlib.crc32(note) == checksum:
                return note
        return None

    def set_state(self, place: int, *, connections: int, is_listening: bool, seen_at: float) -> None:
        self._set_head(place, self._head(place)[0], connections, int(is_listening), seen_at)

    def connections(self, place: int) -> int:
        return self._head(place)[1]

    def is_listening(self, place: int) -> bool:
        return bool(self._head(place)[2])

    def seen_at(self, place: int) -> float:
        """By time.monotonic(), when its worker last said something."""
        return self._head(place)[3]

    def _head(self, place: int) -> tuple[int, int, int, float]:
        found: tuple[int, int, int, float] = HEAD.unpack_from(self._memory, place * PLACE_BYTES)
        return found

    def _set_head(self, place: int, written: int, connections: int, is_listening: int, seen_at: float) -> None:
        HEAD.pack_into(self._memory, place * PLACE_BYTES, written, connections, is_listening, seen_at)

    @staticmethod
    def _start(place: int, written: int) -> int:
        """Notes are written to the two halves in turn."""
        return place * PLACE_BYTES + HEAD.size + written % 2 * (HALF_BYTES - HEAD.size)
