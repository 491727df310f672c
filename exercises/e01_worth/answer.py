"""What is an answer worth, compared with doing the work by hand?"""

from __future__ import annotations


def saved_yen(by_hand: float, check: float, error: float, *, by_machine: bool, right: bool) -> float:
    """Yen saved on one item.

    If a person checks the machine's answer, the item costs `check`, and the result is right. If the machine answers on
    its own, the item costs nothing, or `error` where the answer is wrong.
    """
    raise NotImplementedError
