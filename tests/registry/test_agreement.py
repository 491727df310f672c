"""The registry, the store and git name one champion, whichever of them has lost it or is behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import MODEL_NAME
from portfolio.bundle.store import Store
from portfolio.contract.loading import load_use_case
from portfolio.core.errors import RegistryError
from portfolio.core.paths import Paths
from portfolio.registry.record import Record
from portfolio.registry.registry import ALREADY_CHAMPION, Registry
from tests.registry.conftest import (
    BAD,
    GOOD,
    MIDDLING,
    Train,
    aliases,
    contents,
    dearer,
    digest_in_git,
    evaluate_again,
    published,
    verdict_record,
)


@pytest.mark.parametrize("damage", ["champion.json", "model.onnx", "gone"])
def test_promoting_again_mends_a_damaged_store(registry: Registry, train: Train, damage: str) -> None:
    """It is what the messages advise."""
    number = train(MIDDLING)
    registry.promote(number)
    store = Store.of("toy")
    before = published()
    if damage == "gone":
        shutil.rmtree(store.folder)
    elif damage == "champion.json":
        store.champion_path.write_text("{")
    else:
        (store.bundle_folder(before.digest) / damage).write_bytes(b"damaged")
    assert registry.promote(number) == ALREADY_CHAMPION
    assert published().digest == before.digest
    Bundle.open(store.bundle_folder(before.digest))


def test_force_publishes_the_champion_anew(registry: Registry, train: Train) -> None:
    number = train(MIDDLING)
    registry.promote(number)
    Store.of("toy").champion_path.unlink()
    assert registry.promote(number, force=True).promoted
    assert published().model_version == number


LOSSES: dict[str, Callable[[MlflowClient], object]] = {
    "alias": lambda mlflow: mlflow.delete_registered_model_alias("toy", "champion"),
    "version": lambda mlflow: mlflow.delete_model_version("toy", "1"),
    "model": lambda mlflow: mlflow.delete_registered_model("toy"),
    "name": lambda mlflow: mlflow.rename_registered_model("toy", "another"),
}


@pytest.mark.parametrize("lost", LOSSES)
def test_where_the_registry_has_lost_the_champion_the_stores_stands_in(
    registry: Registry, train: Train, mlflow: MlflowClient, lost: str
) -> None:
    registry.promote(train(GOOD))
    before = published()
    train(BAD)
    LOSSES[lost](mlflow)
    verdict = registry.promote(evaluate_again(registry))
    assert not verdict.promoted
    assert "compared with the champion" in verdict.reason
    assert published().digest == before.digest
    assert aliases(registry)["champion"] == published().model_version


def test_where_nothing_says_what_the_champion_was_the_run_stops(
    registry: Registry, train: Train, mlflow: MlflowClient
) -> None:
    registry.promote(train(GOOD))
    (Store.of("toy").bundle_folder(published().digest) / MODEL_NAME).write_bytes(b"damaged")
    LOSSES["alias"](mlflow)
    number = train(BAD)
    with pytest.raises(RegistryError, match=r"nothing to compare with.*portfolio promote toy VERSION --force"):
        registry.promote(number)
    assert registry.promote(number, force=True).promoted


def test_an_older_copy_of_the_registry_does_not_replace_what_is_served(registry: Registry, train: Train) -> None:
    database = Path(".state/mlflow/mlflow.db")
    registry.promote(train(MIDDLING))
    copy = database.read_bytes()
    registry.promote(train(GOOD))
    served = published()
    database.write_bytes(copy)
    again = Registry(load_use_case("toy"))
    with pytest.raises(RegistryError, match=rf"promote toy {served.digest[:12]} --force"):
        again.promote(1)
    assert published() == served
    number = again.number_of(served.digest[:12])
    assert again.promote(number, force=True).promoted
    assert published().digest == served.digest
    assert again.rollback() == 1


def test_a_run_that_does_not_promote_publishes_the_champion_where_the_store_lacks_it(
    registry: Registry, train: Train
) -> None:
    registry.promote(train(GOOD))
    before = published()
    shutil.rmtree(Store.of("toy").folder)
    assert not registry.promote(train(BAD)).promoted
    assert published().digest == before.digest


def test_git_and_dvc_take_the_champion_to_an_empty_registry(
    registry: Registry, train: Train, elsewhere: Callable[[], Registry]
) -> None:
    """A fresh clone has models/, metrics/ and champions/, and neither a registry nor a store."""
    registry.promote(train(GOOD))
    before = published()
    registry.promote(train(BAD))
    told = contents("metrics", "champions")
    colleague = elsewhere()
    verdict = colleague.promote(colleague.register(load_use_case("toy").config()))
    assert not verdict.promoted
    assert "compared with the champion" in verdict.reason
    assert published().digest == before.digest
    assert contents("metrics", "champions") == told


def test_a_colleagues_run_leaves_the_lineage_to_the_author(
    registry: Registry, train: Train, elsewhere: Callable[[], Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTFOLIO_GIT_COMMIT", "trained")
    registry.promote(train(GOOD))
    monkeypatch.setenv("PORTFOLIO_GIT_COMMIT", "new prices")
    dearer()
    registry.promote(evaluate_again(registry))
    told = contents("metrics", "champions")
    monkeypatch.setenv("PORTFOLIO_GIT_COMMIT", "the colleague's")
    colleague = elsewhere()
    assert colleague.promote(colleague.register(load_use_case("toy").config())) == ALREADY_CHAMPION
    assert contents("metrics", "champions") == told
    lineage = Bundle.open(Store.of("toy").bundle_folder(published().digest)).manifest.lineage
    assert lineage.trained is not None
    assert lineage.evaluated is not None
    assert (lineage.trained.git_commit, lineage.evaluated.git_commit) == ("trained", "new prices")


def test_a_clone_that_has_trained_the_champion_itself_needs_no_copy_of_it(
    registry: Registry, train: Train, elsewhere: Callable[[], Registry]
) -> None:
    registry.promote(train(GOOD))
    before = published()
    shutil.rmtree("champions/toy")
    Path("champions/toy.dvc").write_text("outs: []")
    told = contents("metrics")
    colleague = elsewhere()
    assert colleague.promote(colleague.register(load_use_case("toy").config())) == ALREADY_CHAMPION
    assert published().digest == digest_in_git() == before.digest
    assert contents("metrics") == told


def test_a_champion_that_was_not_pulled_is_asked_for(
    registry: Registry, train: Train, elsewhere: Callable[[], Registry]
) -> None:
    registry.promote(train(GOOD))
    registry.promote(train(BAD))
    shutil.rmtree("champions/toy")
    Path("champions/toy.dvc").write_text("outs: []")
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text("[core]\n    remote = shared\n")
    colleague = elsewhere()
    number = colleague.register(load_use_case("toy").config())
    with pytest.raises(RegistryError, match=r"dvc pull champions/toy\.dvc"):
        colleague.promote(number)
    assert Store.of("toy").champion() is None
    with pytest.raises(RegistryError, match=r"dvc pull champions/toy\.dvc"):
        colleague.find_champion()
    # A fork has a remote of its own, which never had it.
    fork = Registry(load_use_case("toy"), lambda folder: False)
    assert "neither here nor in a DVC remote" in fork.find_champion()
    assert fork.settle(number).version is None
    # Without a remote nobody could have it.
    Path(".dvc/config").write_text("[core]\n    analytics = false\n")
    assert "doing everything by hand" in colleague.promote(number).reason


def test_a_rollback_reaches_the_colleague(registry: Registry, train: Train, elsewhere: Callable[[], Registry]) -> None:
    registry.promote(train(MIDDLING))
    registry.promote(train(GOOD))
    registry.rollback()
    colleague = elsewhere()
    verdict = colleague.promote(colleague.register(load_use_case("toy").config()))
    assert "rolled back" in verdict.reason
    assert published().digest == digest_in_git() == verdict_record()["champion"]["digest"]


@pytest.mark.parametrize("change", ["rollback", "force"])
def test_what_a_person_chose_on_another_machine_is_followed(
    registry: Registry, train: Train, elsewhere: Callable[[], Registry], change: str
) -> None:
    """By a registry that has been there for longer, and has the former champion."""
    registry.promote(train(BAD))
    registry.promote(train(GOOD))
    colleague = elsewhere()
    number = colleague.register(load_use_case("toy").config())
    colleague.settle(number)
    former = published().digest
    assert "one" in colleague.find_champion()
    # On the author's machine; by git it comes to the colleague's.
    registry.rollback() if change == "rollback" else registry.promote(1, force=True)
    told = contents("metrics", "champions")
    assert digest_in_git()[:12] in colleague.find_champion()
    assert "chosen after version 1" in colleague.settle(number).finding
    assert published().digest == digest_in_git() != former
    assert contents("metrics", "champions") == told
    if change == "rollback":
        assert "rolled back" in colleague.promote(number).reason


def test_an_older_commit_does_not_take_the_champion_back(registry: Registry, train: Train) -> None:
    registry.promote(train(MIDDLING))
    older = Paths("toy").verdict.read_text()
    number = train(GOOD)
    registry.promote(number)
    served = published()
    Paths("toy").verdict.write_text(older)
    assert registry.settle(number).version == number
    assert published() == served


def test_a_record_that_does_not_say_since_when_is_left_as_it_is(
    registry: Registry, train: Train, elsewhere: Callable[[], Registry]
) -> None:
    """As those before there was such a thing."""
    registry.promote(train(GOOD))
    record = verdict_record()
    del record["champion"]["since"]
    Record("toy").write(record)
    told = contents("metrics", "champions")
    colleague = elsewhere()
    assert colleague.promote(colleague.register(load_use_case("toy").config())) == ALREADY_CHAMPION
    assert contents("metrics", "champions") == told
