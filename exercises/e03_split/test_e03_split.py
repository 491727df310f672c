"""Whether rows stay where they are when data grow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

KEYS = [f"row {number}" for number in range(5000)]


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
def test_the_share_is_right(answer: ModuleType, fraction: float) -> None:
    chosen = answer.is_test(KEYS, fraction)
    assert abs(sum(chosen) / len(chosen) - fraction) < 0.03


def test_a_row_stays_when_others_come_and_whatever_the_order(answer: ModuleType) -> None:
    few = dict(zip(KEYS[:100], answer.is_test(KEYS[:100], 0.2), strict=True))
    many = dict(zip(reversed(KEYS), answer.is_test(KEYS[::-1], 0.2), strict=True))
    assert few == {key: many[key] for key in few}


def test_rows_with_the_same_key_are_on_the_same_side(answer: ModuleType) -> None:
    chosen = answer.is_test(KEYS * 2, 0.3)
    assert chosen[: len(KEYS)] == chosen[len(KEYS) :]


def test_another_process_says_the_same(answer: ModuleType) -> None:
    """Python's own hash() of a text differs from one process to the next."""
    here = sum(answer.is_test(KEYS[:200], 0.3))
    code = f"import answer; print(sum(answer.is_test({KEYS[:200]!r}, 0.3)))"
    folder = Path(str(answer.__file__)).parent
    said = {
        subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True).stdout
        for _ in range(3)
    }
    assert said == {f"{here}\n"}
