"""How deep and how large a body is, as a parser finds it."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from serving.errors import RequestError
from serving.protocols.size import BLOCK_BYTES, MAX_DEPTH, SMALL_BYTES, checked, measured


def counted(value: Any) -> tuple[int, int, int]:
    """Depth, values and keys of what a parser makes of a body; empty lists count as one with a value would."""
    if not isinstance(value, (list, dict)):
        return 0, 0, 0
    parts = [counted(part) for part in (value.values() if isinstance(value, dict) else value)]
    depth = 1 + max((part[0] for part in parts), default=0)
    values = 1 + max(0, len(parts) - 1) + sum(part[1] for part in parts)
    keys = (len(value) if isinstance(value, dict) else 0) + sum(part[2] for part in parts)
    return depth, values, keys


def made_up(random_: random.Random, depth: int) -> Any:
    texts = ['"', "\\", '\\"', "[{", "}]", ",:,", "a" * 50, "日本", '\\\\"']
    kind = random_.randrange(4 if depth else 2)
    if kind == 0:
        return random_.choice(texts) * random_.randrange(5)
    if kind == 1:
        return random_.random()
    parts = [made_up(random_, depth - 1) for _ in range(random_.randrange(12))]
    return parts if kind == 2 else {f"{random_.choice(texts)}{number}": part for number, part in enumerate(parts)}


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("ascii_only", [True, False])
def test_it_is_what_a_parser_finds(seed: int, ascii_only: bool) -> None:
    value = [made_up(random.Random(seed), 5) for _ in range(200)]
    assert measured(json.dumps(value, ensure_ascii=ascii_only).encode()) == counted(value)


@pytest.mark.parametrize("shift", range(6))
@pytest.mark.parametrize("slashes", [2, 3, 200_000])
def test_blocks_meet_within_a_string(shift: int, slashes: int) -> None:
    text = "a" * (BLOCK_BYTES - 4 + shift) + "\\" * slashes + '"[[[' + "," * BLOCK_BYTES
    assert measured(json.dumps([text, [1, 2]]).encode()) == (2, 4, 0)


def test_too_deep_and_too_much_are_named() -> None:
    assert checked(b"[" * SMALL_BYTES, 1, 1) == b"[" * SMALL_BYTES
    for body, words in (
        (b"[" * (SMALL_BYTES + 1), f"at most {MAX_DEPTH} levels"),
        (b"[" + b"0," * SMALL_BYTES + b"0]", "at most 100 values"),
        (b"{" + b'"a":0,' * SMALL_BYTES + b'"a":0}', "at most 10 keys"),
    ):
        with pytest.raises(RequestError, match=words):
            checked(body, 100 if b"0," in body[:3] else 10**9, 10)
