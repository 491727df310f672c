"""What the workers share: whole notes, whoever writes at the moment, or was killed at it."""

from __future__ import annotations

import os
import signal
import time

import pytest

from serving.workers.board import HALF_BYTES, Board


def test_a_note_is_the_latest_of_its_place() -> None:
    board = Board(2)
    assert board.read(0) is None
    for note in (b"a" * 1000, b"b", b"c" * 5000):
        board.write(0, note)
        assert board.read(0) == note
    assert board.read(1) is None


def test_a_note_that_does_not_fit_is_refused_and_the_one_before_stays() -> None:
    board = Board(1)
    board.write(0, b"first")
    with pytest.raises(ValueError, match="does not fit"):
        board.write(0, b"x" * HALF_BYTES)
    assert board.read(0) == b"first"


def test_what_is_read_is_whole_while_another_process_writes_and_after_it_is_killed() -> None:
    board = Board(1)
    board.write(0, b"0" * 100_000)
    pid = os.fork()
    if pid == 0:
        number = 0
        while True:
            number += 1
            board.write(0, str(number % 10).encode() * 100_000)
    seen = set()
    deadline = time.monotonic() + 20
    try:
        while len(seen) < 5 and time.monotonic() < deadline:
            note = board.read(0)
            assert note is not None
            assert len(set(note)) == 1
            assert len(note) == 100_000
            seen.add(note[:1])
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert len(seen) == 5
    note = board.read(0)
    assert note is not None
    assert len(set(note)) == 1
