"""A change of champion happens as a whole, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from portfolio.bundle.store import Store
from portfolio.core.errors import BundleError, RegistryError
from portfolio.registry import record
from portfolio.registry.registry import ALREADY_CHAMPION, Registry
from tests.registry.conftest import BAD, GOOD, MIDDLING, Train, aliases, digest_in_git, published, verdict_record


def test_a_kill_between_alias_and_publication_is_made_good(
    registry: Registry, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.promote(train(MIDDLING))
    number = train(GOOD)
    with monkeypatch.context() as patch:
        patch.setattr(ExitStack, "__exit__", lambda *_: None)
        patch.setattr(Store, "name_champion", lambda *_: (_ for _ in ()).throw(InterruptedError()))
        with pytest.raises(InterruptedError):
            registry.promote(number)
    assert (published().model_version, aliases(registry)["champion"]) == (1, 2)
    registry.promote(number)
    assert aliases(registry)["champion"] == published().model_version == number
    assert registry.rollback() == 1


KILLED_AT: dict[str, tuple[type, str]] = {
    "before the alias": (MlflowClient, "set_registered_model_alias"),
    "before the record": (record.Record, "write"),
    "before the store": (Store, "name_champion"),
}


@pytest.mark.parametrize("change", ["rollback", "force"])
def test_what_a_kill_cuts_off_is_finished_by_the_next_command(
    registry: Registry, train: Train, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    registry.promote(train(MIDDLING))
    registry.promote(train(GOOD), force=True)
    for owner, name in KILLED_AT.values():
        with monkeypatch.context() as patch:
            # A process that is killed undoes nothing.
            patch.setattr(ExitStack, "__exit__", lambda *_: None)
            patch.setattr(owner, name, lambda *_: (_ for _ in ()).throw(InterruptedError()))
            with pytest.raises(InterruptedError):
                registry.rollback() if change == "rollback" else registry.promote(1, force=True)
        assert registry.settle(1).version == 1
        assert (published().model_version, aliases(registry)["champion"]) == (1, 1)
        said = verdict_record()
        assert said["champion"]["digest"] == digest_in_git() == published().digest
        assert said["reason"] == ("rollback from version 2" if change == "rollback" else "promoted by hand")
        assert bool(said["rolled_back"]) == (change == "rollback")
        # Once, and not again by each command after it.
        registry.promote(2, force=True)
        assert registry.settle(2).version == 2


FAILS_AT: dict[str, tuple[object, str]] = {
    "alias": (MlflowClient, "set_registered_model_alias"),
    "champion.json": (Store, "name_champion"),
    "champions": (record, "copy_bundle"),
}


@pytest.mark.parametrize("change", ["rollback", "promote"])
def test_what_fails_half_way_leaves_nothing_half_done(
    registry: Registry, train: Train, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    registry.promote(train(MIDDLING))
    champion = train(GOOD)
    registry.promote(champion)
    challenger = train(BAD)

    def state() -> tuple[object, ...]:
        return published(), aliases(registry), verdict_record(), digest_in_git()

    before = state()
    for owner, name in FAILS_AT.values():
        outcomes = iter([OSError(28, "No space left on device")])

        def fail(*_: object, outcomes: Iterator[OSError] = outcomes, **__: object) -> None:
            """Once: what is undone then does not fail."""
            for error in outcomes:
                raise error

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fail)
            with pytest.raises(OSError, match="No space"):
                registry.rollback() if change == "rollback" else registry.promote(challenger, force=True)
        assert state() == before
        # Nor does it count as rolled back.
        assert registry.promote(champion) == ALREADY_CHAMPION
    assert registry.rollback() == 1


def test_a_rollback_to_a_bundle_that_is_gone_changes_nothing(registry: Registry, train: Train) -> None:
    registry.promote(train(MIDDLING))
    gone = published().digest
    registry.promote(train(GOOD))
    before = (published(), aliases(registry))
    shutil.rmtree(Store.of("toy").bundle_folder(gone))
    for model in Path(".state/mlflow").rglob("model.onnx"):
        model.unlink()
    with pytest.raises((BundleError, RegistryError)):
        registry.rollback()
    assert (published(), aliases(registry)) == before
