"""A solution of exercises/e01_worth."""

from __future__ import annotations


def saved_yen(by_hand: float, check: float, error: float, *, by_machine: bool, right: bool) -> float:
    if not by_machine:
        return by_hand - check
    return by_hand if right else by_hand - error
