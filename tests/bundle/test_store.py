import threading
from pathlib import Path

import pytest

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import MANIFEST_NAME, MODEL_NAME
from portfolio.bundle.store import Champion, Store, state_folder
from portfolio.core.errors import BundleError, RegistryError
from tests.tiny import publish, tiny_bundle


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_there_is_no_champion_before_the_first(store: Store) -> None:
    assert store.champion() is None


def test_what_is_published_is_the_bundle_with_its_version(store: Store, tmp_path: Path) -> None:
    digest = publish(store, tmp_path / "one", version=1)
    champion = store.champion()
    assert champion is not None
    assert (champion.digest, champion.model_version) == (digest, 1)
    bundle = Bundle.open(store.bundle_folder(digest))
    assert bundle.digest == digest
    assert bundle.manifest.lineage.model_version == 1


def test_a_bundle_published_twice_is_there_once(store: Store, tmp_path: Path) -> None:
    first = publish(store, tmp_path / "one", version=1)
    assert publish(store, tmp_path / "one", version=1) == first
    assert [path.name for path in (store.folder / "bundles").iterdir()] == [first]


def test_older_bundles_stay_for_a_rollback(store: Store, tmp_path: Path) -> None:
    digests = {publish(store, tmp_path / str(version), version=version, bias=version) for version in (1, 2)}
    assert {path.name for path in (store.folder / "bundles").iterdir()} == digests


def test_a_damaged_bundle_is_not_published(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path / "one", version=1)
    before = contents(store.folder)
    bad = tiny_bundle(tmp_path / "two", 1.0, 2)
    (bad.folder / MODEL_NAME).write_bytes(b"no model")
    with pytest.raises(BundleError, match="SHA-256"):
        store.publish(bad.folder, bad.manifest)
    assert contents(store.folder) == before


@pytest.mark.parametrize("name", [MODEL_NAME, MANIFEST_NAME])
def test_publishing_again_mends_a_bundle_that_was_damaged_in_the_store(store: Store, tmp_path: Path, name: str) -> None:
    """What a refused bundle's message advises."""
    digest = publish(store, tmp_path / "one", version=1)
    (store.bundle_folder(digest) / name).write_bytes(b"damaged")
    assert publish(store, tmp_path / "one", version=1) == digest
    assert Bundle.open(store.bundle_folder(digest)).digest == digest


@pytest.mark.parametrize("text", ["", "{", "[]", '{"digest": "../../etc", "model_version": 1, "published_at": ""}'])
def test_a_damaged_champion_file_is_named_and_publishing_mends_it(store: Store, tmp_path: Path, text: str) -> None:
    publish(store, tmp_path / "one", version=1)
    store.champion_path.write_text(text)
    with pytest.raises(RegistryError, match=r"champion\.json is damaged"):
        store.champion()
    publish(store, tmp_path / "one", version=1)
    assert store.champion() is not None


def test_a_reader_always_sees_a_whole_champion(store: Store, tmp_path: Path) -> None:
    bundles = [tiny_bundle(tmp_path / str(version), float(version), version) for version in (1, 2)]
    known = {store.publish(bundle.folder, bundle.manifest).digest for bundle in bundles}
    done = threading.Event()
    seen: list[Champion | None] = []
    faults: list[Exception] = []

    def read() -> None:
        while not done.is_set():
            try:
                champion = store.champion()
                assert champion is not None
                Bundle.open(store.bundle_folder(champion.digest))
                seen.append(champion)
            except Exception as error:
                faults.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(30):
        for bundle in bundles:
            store.publish(bundle.folder, bundle.manifest)
    done.set()
    reader.join()
    assert faults == []
    assert {champion.digest for champion in seen if champion} <= known
    assert seen


def test_the_state_folder_is_one_place_and_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PORTFOLIO_STATE", raising=False)
    assert state_folder() == tmp_path / ".state"
    monkeypatch.setenv("PORTFOLIO_STATE", "/elsewhere")
    assert Store.of("toy").folder.is_relative_to("/elsewhere")


def test_a_bundle_has_one_name_whatever_registry_it_was_published_from(store: Store, tmp_path: Path) -> None:
    digest = publish(store, tmp_path / "one", version=1)
    assert publish(store, tmp_path / "one", version=7) == digest
    assert store.find(digest[:8]) == (digest, 7)


def test_a_number_that_two_bundles_have_is_not_guessed(store: Store, tmp_path: Path) -> None:
    """A registry that was begun anew counts from 1 again."""
    digests = [publish(store, tmp_path / str(bias), version=1, bias=bias) for bias in (0.0, 1.0)]
    with pytest.raises(RegistryError, match=r"more than one version 1") as told:
        store.pin(1)
    assert all(digest[:12] in str(told.value) for digest in digests)
    assert store.pin(digests[0][:12]).digest == digests[0]
