"""Running the command line: in a process of its own, or in this one."""

from __future__ import annotations

import subprocess
import sys

import pytest
from _pytest.capture import CaptureResult

from portfolio.cli.main import main


def portfolio(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "portfolio", *arguments], capture_output=True, text=True)


def run_main(
    arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CaptureResult[str]:
    """What the command line says, where it ends with this code."""
    monkeypatch.setattr(sys, "argv", ["portfolio", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    return capsys.readouterr()


def output(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    return run_main(arguments, 0, monkeypatch, capsys).out
