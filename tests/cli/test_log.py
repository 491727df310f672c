import time
from pathlib import Path

import pytest

from portfolio.monitoring.prediction_log.log import PredictionLog
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
