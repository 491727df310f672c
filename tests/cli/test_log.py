import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from portfolio.monitoring.prediction_log.log import PRUNED_AT_ONCE, PredictionLog
from portfolio.monitoring.prediction_log.tables import predictions
from tests.cli.conftest import output, run_main
from tests.monitoring.test_prediction_log import label, record, rows

DAY_SECONDS = 86_400


@pytest.fixture
def address(workspace: Path) -> str:
    """A log with an answer of 40 days ago, one with a label of that day, and one of now."""
    address = f"sqlite:///{workspace / '.state' / 'log' / 'toy.db'}"
    log = PredictionLog(address)
    old, labelled, new = (record() for _ in range(3))
    for one, days in ((old, 40), (labelled, 40), (new, 0)):
        one.answered_at_seconds = time.time() - days * DAY_SECONDS
        log.append(predictions, [one.row()])
    log.add_labels([{**label("left"), "request_id": labelled.request_id}])
    log.close()
    return address


@pytest.mark.parametrize("command", [["log", "prune", "toy", "--days", "30"], ["monitor", "toy"]])
def test_a_damaged_log_is_named_with_what_to_do(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    path = Path(address.removeprefix("sqlite:///"))
    path.write_bytes(b"no database, but 40 KB of other things" * 1000)
    said = run_main(command, 1, monkeypatch, capsys).err.replace("\n", " ")
    assert "is damaged" in said
    assert f"mv {path} {path}.damaged" in said


def test_old_answers_are_deleted_and_those_with_a_label_if_asked(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pruned(*options: str) -> str:
        return output(["log", "prune", "toy", "--days", "30", *options], monkeypatch, capsys)

    assert "Deleted: 1 answer." in pruned()
    assert len(rows(address, "predictions")) == 2
    assert "0 answers" in pruned()
    assert "1 answer." in pruned("--labelled")
    assert len(rows(address, "predictions")) == 1


def test_room_is_given_back_that_a_killed_prune_left(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = PredictionLog(address)
    many = [record() for _ in range(PRUNED_AT_ONCE)]
    log.append(predictions, [replace(one, answered_at_seconds=time.time() - 40 * DAY_SECONDS).row() for one in many])
    log.prune(datetime.now(UTC) - timedelta(days=30), labelled=False)
    log.close()

    def free_pages() -> int:
        with closing(sqlite3.connect(address.removeprefix("sqlite:///"))) as connection:
            return int(connection.execute("PRAGMA freelist_count").fetchone()[0])

    assert free_pages() > 0
    assert "0 answers" in output(["log", "prune", "toy", "--days", "30"], monkeypatch, capsys)
    assert free_pages() == 0


def test_a_log_that_is_not_there_is_named(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = " ".join(run_main(["log", "prune", "--days", "30"], 1, monkeypatch, capsys).err.split())
    assert "There is no prediction log" in told


@pytest.mark.parametrize("command", [["log", "prune", "toy", "--days", "30"], ["monitor", "toy"]])
def test_a_mistyped_address_makes_no_empty_log_that_says_all_is_well(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    mistyped = workspace / "lgo" / "toy.db"
    told = " ".join(run_main([*command, "--url", f"sqlite:///{mistyped}"], 1, monkeypatch, capsys).err.split())
    assert "There is no prediction log" in told
    assert not mistyped.parent.exists()
