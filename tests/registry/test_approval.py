"""A person may be asked before a promotion; and what becomes of a version is noted beside the prediction log."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from portfolio.core.environment import state_folder
from portfolio.monitoring.looks import Event, Looks
from portfolio.registry import judgement
from portfolio.registry.registry import Registry
from tests.registry.conftest import BAD, GOOD, MIDDLING, Train, never, published


def test_what_the_gate_lets_through_waits_for_a_person(
    registry: Registry, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.promote(train(MIDDLING))
    number = train(GOOD)
    verdict = registry.promote(number, approval="awaited")
    assert (verdict.promoted, verdict.awaits_approval) == (False, True)
    assert published().model_version == 1
    # To ask the gate again would count as another try on the same rows.
    monkeypatch.setattr(judgement, "judge", never)
    assert registry.promote(number).promoted
    assert published().model_version == 2


def test_what_a_person_decided_against_is_not_promoted(registry: Registry, train: Train) -> None:
    registry.promote(train(MIDDLING))
    number = train(GOOD)
    registry.promote(number, approval="awaited")
    verdict = registry.promote(number, approval="denied")
    assert (verdict.promoted, verdict.awaits_approval) == (False, False)
    assert verdict.reason == "the gate lets it through, and a person decided against it"
    # They are not asked about it again, but may change their mind.
    assert registry.promote(number, approval="awaited") == verdict
    assert published().model_version == 1
    assert registry.promote(number).promoted


def test_nobody_is_asked_about_what_the_gate_refuses(registry: Registry, train: Train) -> None:
    registry.promote(train(GOOD))
    verdict = registry.promote(train(BAD), approval="awaited")
    assert (verdict.promoted, verdict.awaits_approval) == (False, False)


def test_what_becomes_of_a_version_is_noted_once(registry: Registry, train: Train) -> None:
    looks = Looks(f"sqlite:///{state_folder() / 'log' / 'toy.db'}")
    looks.add_event(Event("retraining"))
    registry.promote(train(MIDDLING))
    good = train(GOOD)
    registry.promote(good, approval="awaited")
    registry.promote(good)
    registry.promote(good)
    bad = train(BAD)
    registry.promote(bad)
    registry.promote(bad)
    registry.rollback()
    noted = [(event.kind, event.model_version, event.figures["before"]) for event in looks.events()[:-1]]
    assert noted == [("rolled_back", 1, 2), ("refused", 3, 2), ("promoted", 2, 1), ("promoted", 1, None)]
    assert "not better" in looks.events()[1].figures["reason_en"]
    looks.close()


@pytest.mark.parametrize("kind", ["promoted", "refused", "rolled_back"])
def test_what_a_kill_kept_from_being_noted_is_noted_by_the_next_command(
    registry: Registry, train: Train, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    registry.promote(train(MIDDLING))
    number = train(GOOD)
    if kind == "rolled_back":
        registry.promote(number)
    looks = Looks(f"sqlite:///{state_folder() / 'log' / 'toy.db'}")
    looks.add_event(Event("retraining"))

    def change() -> None:
        if kind == "rolled_back":
            registry.rollback()
        else:
            registry.promote(number, approval="given" if kind == "promoted" else "denied")

    with monkeypatch.context() as patch:
        # A process that is killed undoes nothing.
        patch.setattr(ExitStack, "__exit__", lambda *_: None)
        patch.setattr(Looks, "add_event", lambda *_: (_ for _ in ()).throw(InterruptedError()))
        with pytest.raises(InterruptedError):
            change()
    if kind == "rolled_back":
        registry.settle(number)
    else:
        change()
    (event, _) = looks.events()
    assert (event.kind, event.model_version) == (kind, 1 if kind == "rolled_back" else number)
    looks.close()


def test_a_log_that_can_not_be_written_does_not_undo_a_promotion(
    registry: Registry, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    log = state_folder() / "log" / "toy.db"
    log.parent.mkdir()
    log.write_text("no database")
    assert registry.promote(train(GOOD)).promoted
    assert "the event 'promoted' can't be noted" in capsys.readouterr().err
