"""The items of `make reliability`, with smaller counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.reliability.asking import SkippedError
from bench.reliability.damage import bundles
from bench.reliability.ends import kill, sigterm, worker_killed
from bench.reliability.malformed import malformed
from bench.reliability.pressure import large_bodies, overload
from bench.reliability.surroundings import clock_back, disk_full, store_gone
from bench.reliability.swaps import swaps
from bench.rows import Row
from portfolio.bundle.bundle import Bundle
from tests.tiny import tiny_bundle

pytestmark = pytest.mark.alone


@pytest.mark.parametrize(
    ("item", "smaller"),
    [
        (swaps, {"count": 15, "seconds": 6}),
        (bundles, {"count": 150}),
        (sigterm, {"count": 2}),
        (kill, {"count": 2}),
        (worker_killed, {"count": 2}),
        (malformed, {"count": 1000}),
        (large_bodies, {"count": 4}),
        (overload, {"seconds": 1}),
        (store_gone, {"seconds": 1}),
        (disk_full, {"seconds": 1}),
        (clock_back, {}),
    ],
)
def test_what_is_claimed_holds(
    item: Callable[..., list[Row]], smaller: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(item, smaller, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("item", "smaller"),
    [
        (swaps, {"count": 15, "seconds": 6}),
        (sigterm, {"count": 2}),
        (kill, {"count": 2}),
        (overload, {"seconds": 1}),
        (disk_full, {"seconds": 1}),
    ],
)
def test_it_holds_with_two_workers(
    item: Callable[..., list[Row]], smaller: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVING_WORKERS", "2")
    check(item, smaller, tmp_path, monkeypatch)


def check(
    item: Callable[..., list[Row]], smaller: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    like: Bundle = tiny_bundle(tmp_path / "tiny")
    work = tmp_path / "work"
    work.mkdir()
    # Where there are no use cases, as in an image, any bundle's is served.
    monkeypatch.chdir(work)
    try:
        rows = item(work, like, **smaller)
    except SkippedError as reason:
        pytest.skip(str(reason))
    # How long something takes is for `make reliability` to say, with the machine to itself.
    assert [row for row in rows if row.verdict == "missed" and row.unit != "s"] == []
