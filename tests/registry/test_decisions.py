"""What was decided stands until something changes, here and on another machine."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from portfolio.core.errors import DataError
from portfolio.core.paths import Paths
from portfolio.registry import judgement
from portfolio.registry.registry import ALREADY_CHAMPION, Registry
from tests.registry.conftest import (
    BAD,
    GOOD,
    MIDDLING,
    Train,
    contents,
    dearer,
    evaluate_again,
    never,
    published,
    verdict_record,
)
from tests.workspace import edit_config


@pytest.mark.parametrize("last", [GOOD, BAD], ids=["promoted", "refused"])
def test_a_verdict_stands_until_something_changes(
    registry: Registry, train: Train, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.promote(train(MIDDLING))
    number = train(last)
    verdict = registry.promote(number)
    before = contents("metrics", "champions", ".state/store")
    written = Paths("toy").verdict.stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setattr(judgement, "judge", never)
        again = registry.promote(evaluate_again(registry))
    assert again == (ALREADY_CHAMPION if last == GOOD else verdict)
    assert contents("metrics", "champions", ".state/store") == before
    assert Paths("toy").verdict.stat().st_mtime_ns == written


def slower() -> None:
    edit_config("toy", gate={"max_latency_ms": 1234.5})


@pytest.mark.parametrize("change", [slower, dearer], ids=["a limit", "the prices"])
def test_a_new_limit_or_price_is_something_to_judge_by(
    registry: Registry, train: Train, monkeypatch: pytest.MonkeyPatch, change: Callable[[], None]
) -> None:
    registry.promote(train(MIDDLING))
    number = train(BAD)
    registry.promote(number)
    change()
    monkeypatch.setattr(judgement, "judge", never)
    with pytest.raises(AssertionError, match="judged anew"):
        registry.promote(number)


def test_what_a_person_decided_is_not_taken_for_the_gates_verdict(registry: Registry, train: Train) -> None:
    registry.promote(train(MIDDLING))
    registry.promote(train(GOOD))
    number = train(BAD)
    refusal = registry.promote(number)
    registry.promote(number, force=True)
    registry.promote(2, force=True)
    again = registry.promote(number)
    assert not again.promoted
    assert "not better" in again.reason
    assert "not better" in refusal.reason
    assert published().model_version == 2


def test_a_rollback_is_not_taken_for_the_gates_verdict(registry: Registry, train: Train) -> None:
    registry.promote(train(BAD))
    registry.promote(train(GOOD))
    registry.rollback()
    registry.promote(2, force=True)
    verdict = registry.promote(1)
    assert not verdict.promoted
    assert "not better" in verdict.reason


def test_to_force_the_sitting_champion_leaves_why_it_became_champion(registry: Registry, train: Train) -> None:
    number = train(MIDDLING)
    registry.promote(number)
    before = contents("metrics", "champions")
    assert registry.promote(number, force=True).promoted
    assert contents("metrics", "champions") == before


def test_the_verdict_shown_is_that_of_the_version_at_hand(registry: Registry, train: Train) -> None:
    first = registry.promote(train(MIDDLING))
    registry.promote(train(BAD))
    assert verdict_record()["version"] == 2
    assert registry.promote(train(MIDDLING)) == ALREADY_CHAMPION
    assert (verdict_record()["version"], verdict_record()["reason"]) == (1, first.reason)


def test_tries_of_two_branches_add_up(
    registry: Registry, train: Train, elsewhere: Callable[[], Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.promote(train(GOOD))
    start = Paths("toy").verdict.read_text()
    registry.promote(train(BAD))
    ours = Paths("toy").verdict.read_text()
    Paths("toy").verdict.write_text(start)
    colleague = elsewhere()
    monkeypatch.setattr(registry, "register", colleague.register)
    train(GOOD)
    colleague.settle(1)
    assert colleague.promote(train(MIDDLING)).checks[0].figures["tries"] == 1
    Paths("toy").verdict.write_text(ours)
    # The same champion, a challenger that neither has tried, after one of each.
    edit_config("toy", gate={"min_gain": 0.5})
    assert colleague.promote(2).checks[0].figures["tries"] == 3


def test_tries_of_several_challengers_are_in_the_order_in_which_they_were_made(
    registry: Registry, train: Train
) -> None:
    """Whatever belongs to whom: else two of them have the same share of the error rate."""
    numbers = [train(kind) for kind in (BAD, MIDDLING, GOOD)]
    decisions = registry._decisions
    rows = [100, 200, 400, 410, 420, 820]
    for number, count in zip([*numbers, *numbers], rows, strict=True):
        decisions.count_try(number, "a model", count)
    assert decisions.earlier("a model") == rows
    assert decisions.earlier("another") == []


def test_tries_from_before_they_were_numbered_come_first(registry: Registry, train: Train) -> None:
    number = train(MIDDLING)
    registry._decisions.record.write({"tries_by_challenger": {"a model": {"one": [100, 410], "two": [200]}}})
    registry._decisions.count_try(number, "a model", 420)
    assert registry._decisions.earlier("a model") == [100, 410, 200, 420]


def test_a_record_that_a_merge_has_broken_is_named(registry: Registry, train: Train) -> None:
    number = train(MIDDLING)
    registry.promote(number)
    Paths("toy").verdict.write_text("<<<<<<< ours\n{}\n=======\n")
    with pytest.raises(DataError, match=r"verdict\.json.*git checkout --ours dvc.lock metrics champions"):
        registry.promote(number)
