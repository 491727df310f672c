"""Whose prediction log SERVING_LOG_URL names: that of the use case that is served, and of no other."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from portfolio.core.errors import DataError
from portfolio.monitoring.events import looks_of
from portfolio.monitoring.looks import Event, Looks
from portfolio.monitoring.prediction_log.address import existing_log, log_address, logged_use_cases
from portfolio.monitoring.prediction_log.database import file_of
from portfolio.monitoring.retraining import retraining
from tests.cli.conftest import run_main
from tests.workspace import ALL_USE_CASES, REMARKS, TOY


@pytest.fixture
def address(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The log of the toy, which is the one that is served."""
    found = f"sqlite:///{workspace / 'log.db'}"
    Looks(found).add_event(Event("promoted", 1))
    monkeypatch.setenv("SERVING_LOG_URL", found)
    monkeypatch.setenv("PORTFOLIO_USE_CASE", TOY)
    return found


def test_it_is_that_of_the_served_use_case_alone(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (log_address(TOY), log_address(REMARKS), logged_use_cases()) == (address, None, [TOY])
    monkeypatch.delenv("PORTFOLIO_USE_CASE")
    first, *others = ALL_USE_CASES
    assert {name for name in others if log_address(name) is not None} == set()
    assert log_address(first) == address


def test_a_retraining_of_another_use_case_is_not_noted_in_it(address: str) -> None:
    with retraining(REMARKS, "schedule", 0, datetime.now(UTC)):
        pass
    with looks_of(TOY) as looks:
        assert looks is not None
        assert [event.kind for event in looks.events()] == ["promoted"]


def test_whoever_looks_at_another_use_case_learns_whose_log_it_is(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError, match=rf"SERVING_LOG_URL .* of '{TOY}', .*PORTFOLIO_USE_CASE={REMARKS}.*--url"):
        existing_log(REMARKS)
    assert existing_log(REMARKS, address) == address
    for command in (["monitor", REMARKS], ["log", "prune", REMARKS, "--days", "0"]):
        said = run_main(command, 1, monkeypatch, capsys).err
        assert f"names the prediction log of '{TOY}', not of '{REMARKS}'" in " ".join(said.split())


def test_a_log_that_another_process_holds_is_not_called_damaged(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("portfolio.monitoring.prediction_log.database.WRITE_SECONDS", 0.1)
    path = file_of(address)
    assert path is not None
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        said = " ".join(run_main(["log", "prune", TOY, "--days", "0"], 1, monkeypatch, capsys).err.split())
    assert "is locked" in said
    assert "Another process is writing to it" in said
