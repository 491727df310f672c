"""What our server is held to beside the others; the measuring itself takes an hour, and is not repeated here."""

from __future__ import annotations

import pytest

from bench.peer import OURS, PEERS_OF_ALL
from bench.serving import CEILING, LOADS, compare

PEERS = [peer.name for peer in PEERS_OF_ALL if not peer.is_ours and peer.name != CEILING]
ABOUT = {OURS: {"ready_seconds": 1.0, "memory_mib": 100.0}}


def found(rate: float) -> dict[str, dict[str, float]]:
    return {load.name: {"rate": rate, "p50_ms": 0.5, "p99_ms": 20.0, "errors": 0} for load in LOADS}


@pytest.mark.parametrize("peer", PEERS)
def test_whoever_is_ahead_of_this_project_is_a_missed_aim_under_every_load(peer: str) -> None:
    missed = [row.name for row in compare({OURS: found(99), peer: found(100)}, ABOUT, None) if row.verdict == "missed"]
    assert missed == [f"{load.name}: rate / {peer}" for load in LOADS]
    ahead = compare({OURS: found(1000), peer: found(100)}, ABOUT, None)
    assert {row.verdict for row in ahead if row.name.endswith(peer)} == {"held"}
