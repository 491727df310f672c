"""With a real MLflow on a database file, and real bundles of better and worse models."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import pytest

from portfolio.bundle.bundle import Bundle, write_bundle
from portfolio.bundle.manifest import MODEL_NAME, read_manifest
from portfolio.bundle.store import Champion, Store
from portfolio.contract.loading import load_use_case
from portfolio.core.errors import BundleError, DataError, RegistryError, RegistryUnreachableError
from portfolio.core.paths import Paths
from portfolio.registry.registry import Registry
from tests.conftest import run_stage

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

BAD, MIDDLING, GOOD = "a shallow tree", "a deeper tree", "a logistic regression"

Train = Callable[[str], int]


@pytest.fixture
def registry(mlflow: MlflowClient) -> Registry:
    for folder in ("network", "baselines"):
        shutil.rmtree(Paths("toy").models / folder)
    return Registry(load_use_case("toy"))


@pytest.fixture
def train(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Train, evaluate and register a model; gives the version."""

    def train(kind: str) -> int:
        from sklearn.linear_model import LogisticRegression
        from sklearn.tree import DecisionTreeClassifier

        model = {
            BAD: DecisionTreeClassifier(max_depth=1, random_state=0),
            MIDDLING: DecisionTreeClassifier(max_depth=2, random_state=0),
            GOOD: LogisticRegression(),
        }[kind]

        case = type(load_use_case("toy"))
        monkeypatch.setattr(case, "candidates", lambda self: {"model": model})
        run_stage("baselines", "toy")
        run_stage("evaluate", "toy")
        return registry.register(load_use_case("toy").config())

    return train


def aliases(registry: Registry) -> dict[str, int]:
    return {alias: version.number for version in registry.versions() for alias in version.aliases}


def published() -> Champion:
    champion = Store.of("toy").champion()
    assert champion is not None
    return champion


def verdict_record() -> dict[str, Any]:
    return dict(json.loads(Paths("toy").verdict.read_text()))


def test_nothing_evaluated_is_an_error_with_the_remedy(registry: Registry) -> None:
    Paths("toy").best.unlink()
    with pytest.raises(DataError, match="dvc repro evaluate@toy"):
        registry.register(load_use_case("toy").config())
    assert registry.versions() == []


@pytest.mark.parametrize("ask", ["register", "promote", "rollback", "versions"])
def test_a_server_that_is_down_is_not_one_that_has_nothing(
    built: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    """Or the gate would compare with doing all by hand, and let anything through."""
    built("toy")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = Registry(load_use_case("toy"))
    asked: dict[str, Callable[[], object]] = {
        "register": lambda: registry.register(load_use_case("toy").config()),
        "promote": lambda: registry.promote(1),
        "rollback": registry.rollback,
        "versions": registry.versions,
    }
    with pytest.raises(RegistryUnreachableError, match=r"http://127\.0\.0\.1:1 .*MLFLOW_TRACKING_URI"):
        asked[ask]()
    assert Store.of("toy").champion() is None


def test_a_damaged_database_is_named_with_the_remedy(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    database = workspace / ".state" / "mlflow" / "mlflow.db"
    database.parent.mkdir(parents=True)
    database.write_text("no database")
    with pytest.raises(RegistryUnreachableError, match=r"mlflow\.db .*move it away"):
        Registry(load_use_case("toy"))


def test_a_new_version_is_the_challenger(registry: Registry, train: Train) -> None:
    number = train(MIDDLING)
    (version,) = registry.versions()
    assert version.number == number == 1
    assert version.aliases == ("challenger",)
    assert version.candidate == "model"
    assert 0 < version.metrics["test/log_loss"] < 1
    assert Store.of("toy").champion() is None


def test_the_same_model_is_registered_once(registry: Registry, train: Train) -> None:
    assert train(MIDDLING) == train(MIDDLING) == 1
    assert train(GOOD) == 2
    assert train(MIDDLING) == 1
    assert [version.number for version in registry.versions()] == [2, 1]


def test_the_first_version_becomes_champion_and_is_published(registry: Registry, train: Train) -> None:
    number = train(MIDDLING)
    assert registry.promote(number).promoted
    assert aliases(registry)["champion"] == number
    assert published().model_version == number
    manifest = Bundle.open(Store.of("toy").bundle_folder(published().digest)).manifest
    assert manifest.lineage.model_version == number
    assert manifest.lineage.mlflow_run_id
    assert manifest.created_at
    # The same digest wherever one looks.
    (version,) = registry.versions()
    assert version.digest == published().digest == verdict_record()["digest"]


def test_a_better_version_takes_over(registry: Registry, train: Train) -> None:
    registry.promote(train(MIDDLING))
    verdict = registry.promote(train(GOOD))
    assert verdict.promoted
    assert aliases(registry)["champion"] == published().model_version == 2
    assert registry.versions()[0].verdict == verdict.reason


def twin(registry: Registry) -> int:
    """Register a model with other bytes and the same answers as the one that was trained last."""
    folder = Paths("toy").models / "baselines" / "model"
    model = onnx.load(folder / MODEL_NAME)
    model.doc_string = "the same"
    raw = model.SerializeToString()
    manifest, _ = read_manifest(folder)
    write_bundle(folder, raw, manifest.model_copy(update={"model_sha256": hashlib.sha256(raw).hexdigest()}))
    (folder / "train_seconds").write_text("0")
    run_stage("evaluate", "toy")
    return registry.register(load_use_case("toy").config())


@pytest.mark.parametrize("kind", ["worse", "equal"])
def test_a_worse_or_equal_version_is_refused_and_the_refusal_recorded(
    registry: Registry, train: Train, kind: str
) -> None:
    registry.promote(train(MIDDLING))
    before = published()
    number = train(BAD) if kind == "worse" else twin(registry)
    verdict = registry.promote(number)
    assert not verdict.promoted
    assert "not better" in verdict.reason
    assert published() == before
    assert aliases(registry) == {"champion": 1, "challenger": 2}
    assert registry.versions()[0].verdict == verdict.reason


def test_the_champion_is_not_promoted_again(registry: Registry, train: Train) -> None:
    number = train(MIDDLING)
    registry.promote(number)
    before = published()
    verdict = registry.promote(number)
    assert not verdict.promoted
    assert "already the champion" in verdict.reason
    assert published() == before


def test_force_goes_round_the_gate(registry: Registry, train: Train) -> None:
    registry.promote(train(MIDDLING))
    assert registry.promote(train(BAD), force=True).promoted
    assert published().model_version == 2


def test_an_unknown_version_is_an_error_that_lists_those_there_are(registry: Registry, train: Train) -> None:
    with pytest.raises(RegistryError, match=r"no version 7\. There are: none"):
        registry.promote(7)
    train(MIDDLING)
    train(GOOD)
    with pytest.raises(RegistryError, match=r"no version 7\. There are: 2, 1"):
        registry.promote(7)
    assert Store.of("toy").champion() is None


def test_a_version_in_the_store_may_be_pinned_and_shadowed_without_being_champion(
    registry: Registry, train: Train
) -> None:
    registry.promote(train(MIDDLING))
    challenger = train(GOOD)
    store = Store.of("toy")
    with pytest.raises(RegistryError, match=r"no version 2\. There are: 1"):
        store.pin(challenger)
    digest = registry.add_to_store(challenger)
    assert store.pin(challenger).digest == digest
    store.set_shadow(challenger, 0.5)
    assert (published().model_version, aliases(registry)["champion"]) == (1, 1)
    # Promoted, it is the same bundle.
    registry.promote(challenger)
    assert published().digest == digest


def test_a_rollback_publishes_the_predecessor(registry: Registry, train: Train) -> None:
    registry.promote(train(MIDDLING))
    first = published()
    registry.promote(train(GOOD))
    assert registry.rollback() == 1
    assert aliases(registry)["champion"] == 1
    assert (published().digest, published().model_version) == (first.digest, 1)
    assert (verdict_record()["version"], verdict_record()["reason"]) == (1, "rollback from version 2")
    assert verdict_record()["digest"] == first.digest
    run_stage("report", "toy")
    assert "rollback from version 2" in (Paths("toy").report / "index.html").read_text()


def test_a_rollback_goes_one_further_each_time_and_then_ends(registry: Registry, train: Train) -> None:
    for kind in (BAD, MIDDLING, GOOD):
        registry.promote(train(kind), force=True)
    assert [registry.rollback(), registry.rollback()] == [2, 1]
    with pytest.raises(RegistryError, match="Version 1 of 'toy' is the first champion"):
        registry.rollback()
    assert published().model_version == 1


def test_without_a_champion_there_is_no_rollback(registry: Registry, train: Train) -> None:
    with pytest.raises(RegistryError, match="no champion to roll back from"):
        registry.rollback()


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


def test_a_kill_between_alias_and_publication_is_made_good(
    registry: Registry, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.promote(train(MIDDLING))
    number = train(GOOD)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "publish", lambda *_: (_ for _ in ()).throw(InterruptedError()))
        with pytest.raises(InterruptedError):
            registry.promote(number)
    assert published().model_version == 1
    registry.promote(number)
    assert aliases(registry)["champion"] == published().model_version == number
    assert registry.rollback() == 1


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
    assert registry.promote(number).promoted
    assert published().digest == before.digest
    Bundle.open(store.bundle_folder(before.digest))


def test_a_bundle_that_was_damaged_in_mlflow_is_not_published(registry: Registry, train: Train) -> None:
    registry.promote(train(MIDDLING))
    before = published()
    number = train(GOOD)
    newest = max((Path.cwd() / ".state" / "mlflow").rglob("model.onnx"), key=lambda path: path.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.raises(BundleError, match="SHA-256"):
        registry.promote(number)
    assert published() == before
    assert aliases(registry)["champion"] == 1


def test_a_champion_that_can_not_be_opened_is_named_with_the_way_past_it(registry: Registry, train: Train) -> None:
    """As after an upgrade that its manifest is too old for."""
    registry.promote(train(MIDDLING))
    manifest = max((Path.cwd() / ".state" / "mlflow").rglob("manifest.json"), key=lambda path: path.stat().st_mtime_ns)
    manifest.write_text(manifest.read_text().replace('"check_yen"', '"checking_yen"'))
    before, number = published(), train(GOOD)
    with pytest.raises(BundleError, match=rf"check_yen.*champion, version 1.*portfolio promote toy {number} --force"):
        registry.promote(number)
    assert published() == before
    assert registry.promote(number, force=True).promoted
    assert published().model_version == number
