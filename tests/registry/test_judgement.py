"""What needs no comparison, and what does."""

from __future__ import annotations

from pathlib import Path

import pytest

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.store import Store
from portfolio.contract.loading import load_use_case
from portfolio.core.errors import BundleError
from portfolio.registry.judgement import of_same_model
from portfolio.registry.registry import Registry
from tests.registry.conftest import BAD, GOOD, MIDDLING, Train, dearer, edit_card, evaluate_again, published
from tests.workspace import edit_config


def test_what_was_rolled_back_is_not_promoted_by_the_next_run(registry: Registry, train: Train) -> None:
    """Somebody took it out of service for a reason that the metrics do not show. By hand it can still come back."""
    registry.promote(train(MIDDLING))
    number = train(GOOD)
    registry.promote(number)
    registry.rollback()
    verdict = registry.promote(train(GOOD))
    assert not verdict.promoted
    assert "rolled back" in verdict.reason
    assert published().model_version == 1
    assert registry.promote(number, force=True).promoted
    assert published().model_version == number


def test_a_champion_that_can_not_be_opened_is_named_with_the_way_past_it(registry: Registry, train: Train) -> None:
    """As after an upgrade that its manifest is too old for."""
    registry.promote(train(MIDDLING))
    for manifest in (Path.cwd() / ".state").rglob("manifest.json"):
        manifest.write_text(manifest.read_text().replace('"check_yen"', '"checking_yen"'))
    before, number = published(), train(GOOD)
    with pytest.raises(BundleError, match=rf"check_yen.*champion, version 1.*portfolio promote toy {number} --force"):
        registry.promote(number)
    assert published() == before
    assert registry.promote(number, force=True).promoted
    assert published().model_version == number


def test_a_new_card_is_a_new_version_that_is_served_without_the_gate(registry: Registry, train: Train) -> None:
    registry.promote(train(MIDDLING))
    edit_card()
    number = evaluate_again(registry)
    verdict = registry.promote(number)
    assert (number, verdict.promoted) == (2, True)
    assert "nothing to compare; what differs: card" in verdict.reason
    bundle = Bundle.open(Store.of("toy").bundle_folder(published().digest))
    assert "did not think of" in str(bundle.manifest.card)
    assert registry.rollback() == 1


def test_bounds_of_labels_change_no_answer_and_pass_without_the_gate(registry: Registry, train: Train) -> None:
    number = train(GOOD)
    registry.promote(number)
    champion = Bundle.open(Store.of("toy").bundle_folder(published().digest)).manifest
    bounded = champion.model_copy(update={"output": champion.output.model_copy(update={"minimum": 0, "maximum": 9})})
    verdict = of_same_model(champion, bounded, load_use_case("toy").config().value)
    assert verdict is not None
    assert "nothing to compare; what differs: output" in verdict.reason
    # A bundle without bounds is called as it was before there were any.
    assert "maximum" not in champion.model_dump_json(include={"output"})


def test_new_prices_of_the_same_model_are_served_without_the_gate(registry: Registry, train: Train) -> None:
    registry.promote(train(GOOD))
    dearer()
    verdict = registry.promote(evaluate_again(registry))
    assert verdict.promoted
    assert "the owner's to set" in verdict.reason
    policy = Bundle.open(Store.of("toy").bundle_folder(published().digest)).manifest.policy
    assert policy is not None
    assert policy.prices == load_use_case("toy").config().value.prices


def test_old_prices_of_the_same_model_have_to_pass_the_gate(registry: Registry, train: Train) -> None:
    registry.promote(train(GOOD))
    edit_config("toy", value={"error_yen": 2 * load_use_case("toy").config().value.error_yen})
    registry.promote(evaluate_again(registry))
    verdict = registry.promote(1)
    assert not verdict.promoted
    assert "not better" in verdict.reason
    assert published().model_version == 2


def test_another_model_with_a_new_card_still_has_to_pass_the_gate(registry: Registry, train: Train) -> None:
    registry.promote(train(MIDDLING))
    edit_card()
    assert not registry.promote(train(BAD)).promoted


def test_what_was_rolled_back_does_not_come_back_under_a_new_card(registry: Registry, train: Train) -> None:
    registry.promote(train(MIDDLING))
    registry.promote(train(GOOD))
    registry.rollback()
    edit_card()
    verdict = registry.promote(evaluate_again(registry))
    assert "rolled back" in verdict.reason
    assert published().model_version == 1
