"""With a real MLflow on a database file, and real bundles of better and worse models."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import onnx
import pytest
import yaml
from mlflow.tracking import MlflowClient

from portfolio.bundle.bundle import Bundle, write_bundle
from portfolio.bundle.manifest import MODEL_NAME, read_manifest
from portfolio.bundle.store import Champion, Store
from portfolio.cli.main import main
from portfolio.contract.loading import load_use_case
from portfolio.core.errors import BundleError, DataError, RegistryError, RegistryUnreachableError
from portfolio.core.paths import Paths
from portfolio.registry import record
from portfolio.registry import registry as registry_module
from portfolio.registry.registry import ALREADY_CHAMPION, Registry
from tests.conftest import edit_config, run_stage

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
    with pytest.raises(RegistryUnreachableError, match=r"mlflow\.db .*Bring back a copy"):
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
    with pytest.raises(RegistryError, match=r"no version 2\. There are: \w{12} \(version 1\)"):
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


def test_rollbacks_do_not_come_back_to_what_was_rolled_back(registry: Registry, train: Train) -> None:
    registry.promote(train(MIDDLING))
    number = train(GOOD)
    registry.promote(number, force=True)
    registry.promote(1, force=True)
    assert registry.rollback() == number
    with pytest.raises(RegistryError, match=r"Every champion .* before version 2 was rolled back"):
        registry.rollback()
    assert (published().model_version, aliases(registry)["champion"]) == (number, number)


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


@pytest.mark.parametrize("killed", KILLED_AT)
@pytest.mark.parametrize("change", ["rollback", "force"])
def test_what_a_kill_cuts_off_is_finished_by_the_next_command(
    registry: Registry, train: Train, monkeypatch: pytest.MonkeyPatch, change: str, killed: str
) -> None:
    registry.promote(train(MIDDLING))
    registry.promote(train(GOOD), force=True)
    with monkeypatch.context() as patch:
        # A process that is killed undoes nothing.
        patch.setattr(ExitStack, "__exit__", lambda *_: None)
        patch.setattr(*KILLED_AT[killed], lambda *_: (_ for _ in ()).throw(InterruptedError()))
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
    for manifest in (Path.cwd() / ".state").rglob("manifest.json"):
        manifest.write_text(manifest.read_text().replace('"check_yen"', '"checking_yen"'))
    before, number = published(), train(GOOD)
    with pytest.raises(BundleError, match=rf"check_yen.*champion, version 1.*portfolio promote toy {number} --force"):
        registry.promote(number)
    assert published() == before
    assert registry.promote(number, force=True).promoted
    assert published().model_version == number


def edit_card() -> None:
    card = Path("use_cases/toy/card.yaml")
    content = yaml.safe_load(card.read_text())
    content["not_for"] = "Anything that this test did not think of."
    card.write_text(yaml.safe_dump(content, allow_unicode=True))


def dearer() -> None:
    """Change a price, and nothing else."""
    edit_config("toy", value={"error_yen": load_use_case("toy").config().value.error_yen + 0.001})


def evaluate_again(registry: Registry) -> int:
    run_stage("evaluate", "toy")
    return registry.register(load_use_case("toy").config())


@pytest.fixture
def elsewhere(empty_mlflow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Registry]:
    """Go on as on another machine: the same files in git and under DVC, and neither a registry nor a store."""

    def go() -> Registry:
        state = tmp_path / "another machine"
        (state / "mlflow").mkdir(parents=True)
        shutil.copyfile(empty_mlflow, state / "mlflow" / "mlflow.db")
        monkeypatch.setenv("PORTFOLIO_STATE", str(state))
        return Registry(load_use_case("toy"))

    return go


def digest_in_git() -> str:
    return read_manifest(Paths("toy").champion)[1]


def contents(*folders: str) -> dict[Path, bytes]:
    return {path: path.read_bytes() for folder in folders for path in Path(folder).rglob("*") if path.is_file()}


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


def test_force_publishes_the_champion_anew(registry: Registry, train: Train) -> None:
    number = train(MIDDLING)
    registry.promote(number)
    Store.of("toy").champion_path.unlink()
    assert registry.promote(number, force=True).promoted
    assert published().model_version == number


def test_lineage_names_what_made_each_part(registry: Registry, train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTFOLIO_GIT_COMMIT", "first")
    registry.promote(train(GOOD))
    configs = [load_use_case("toy").config().sha256]
    monkeypatch.setenv("PORTFOLIO_GIT_COMMIT", "second")
    dearer()
    configs.append(load_use_case("toy").config().sha256)
    registry.promote(evaluate_again(registry))
    lineage = Bundle.open(Store.of("toy").bundle_folder(published().digest)).manifest.lineage
    assert lineage.trained is not None
    assert lineage.evaluated is not None
    assert (lineage.trained.git_commit, lineage.trained.config_sha256) == ("first", configs[0])
    assert (lineage.evaluated.git_commit, lineage.evaluated.config_sha256) == ("second", configs[1])
    assert verdict_record()["lineage"]["evaluated"]["git_commit"] == "second"


def test_the_same_bundle_has_the_same_digest_in_another_registry(
    registry: Registry, train: Train, elsewhere: Callable[[], Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    train(GOOD)
    (first,) = registry.versions()
    again = elsewhere()
    monkeypatch.setenv("PORTFOLIO_GIT_COMMIT", "another")
    run_stage("baselines", "toy")
    evaluate_again(again)
    assert again.versions()[0].digest == first.digest


def never(*_: object) -> None:
    raise AssertionError("it was judged anew")


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
        patch.setattr(registry_module, "judge", never)
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
    monkeypatch.setattr(registry_module, "judge", never)
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


@pytest.mark.parametrize("fault", ["alias", "champion.json", "champions"])
@pytest.mark.parametrize("change", ["rollback", "promote"])
def test_what_fails_half_way_leaves_nothing_half_done(
    registry: Registry, train: Train, monkeypatch: pytest.MonkeyPatch, fault: str, change: str
) -> None:
    registry.promote(train(MIDDLING))
    registry.promote(train(GOOD))
    challenger = train(BAD)

    def state() -> tuple[object, ...]:
        return published(), aliases(registry), verdict_record(), digest_in_git()

    calls = []

    def fail(*_: object, **__: object) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise OSError(28, "No space left on device")

    before = state()
    owner, name = {
        "alias": (MlflowClient, "set_registered_model_alias"),
        "champion.json": (Store, "name_champion"),
        "champions": (record, "copy_bundle"),
    }[fault]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fail)
        with pytest.raises(OSError, match="No space"):
            registry.rollback() if change == "rollback" else registry.promote(challenger, force=True)
    assert state() == before
    # Nor does it count as rolled back.
    assert registry.promote(train(GOOD)) == ALREADY_CHAMPION
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


def test_a_record_that_a_merge_has_broken_is_named(registry: Registry, train: Train) -> None:
    number = train(MIDDLING)
    registry.promote(number)
    Paths("toy").verdict.write_text("<<<<<<< ours\n{}\n=======\n")
    with pytest.raises(DataError, match=r"verdict\.json.*git checkout --ours dvc.lock metrics champions"):
        registry.promote(number)


def test_a_deleted_experiment_is_named_with_what_brings_it_back(
    registry: Registry, train: Train, mlflow: MlflowClient
) -> None:
    train(MIDDLING)
    mlflow.delete_experiment(mlflow.get_experiment_by_name("toy").experiment_id)
    with pytest.raises(RegistryError, match=r"MLFLOW_TRACKING_URI=sqlite:///.*mlflow experiments restore") as told:
        train(GOOD)
    command = str(told.value).split("Bring it back: ")[1]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(command, shell=True, check=True, capture_output=True, env=os.environ | {"PATH": path})
    assert train(GOOD) == 2


REGISTER = """
from portfolio.contract.loading import load_use_case
from portfolio.registry.registry import Registry
case = load_use_case("toy")
registry = Registry(case)
print(registry.promote(registry.register(case.config())).promoted)
"""


def test_two_at_once_register_one_version(registry: Registry, train: Train) -> None:
    registry.promote(train(MIDDLING))
    edit_card()
    run_stage("evaluate", "toy")
    processes = [
        subprocess.Popen([sys.executable, "-c", REGISTER], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [process.communicate(timeout=100)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(said) == ["False", "True"]
    assert [version.number for version in registry.versions()] == [2, 1]


def test_what_another_machine_registers_in_the_same_moment_counts_for_both(
    registry: Registry, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a server that they share; there is no lock between machines."""
    original = MlflowClient.create_model_version

    def twice(self: MlflowClient, *arguments: Any, **more: Any) -> Any:
        original(self, *arguments, **more)
        return original(self, *arguments, **more)

    monkeypatch.setattr(MlflowClient, "create_model_version", twice)
    assert train(MIDDLING) == 1
    assert [version.number for version in registry.versions()] == [1]


def test_a_champion_that_changes_while_it_is_compared_with_is_not_overwritten(
    registry: Registry, train: Train, mlflow: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.promote(train(BAD))
    number, best = train(MIDDLING), train(GOOD)
    original, calls = registry_module.judge, []

    def meanwhile(*arguments: Any) -> Any:
        if not calls:
            mlflow.set_registered_model_alias("toy", "champion", str(best))
        calls.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(registry_module, "judge", meanwhile)
    assert not registry.promote(number).promoted
    assert len(calls) == 2
    assert aliases(registry)["champion"] == published().model_version == best


MOVED = f"{REGISTER}\nprint(registry.rollback(), registry.rollback())"


@pytest.mark.parametrize("how", [shutil.move, shutil.copytree])
def test_a_checkout_that_was_moved_or_copied_uses_its_own_artifacts(
    registry: Registry, train: Train, monkeypatch: pytest.MonkeyPatch, how: Callable[[Path, Path], object]
) -> None:
    registry.promote(train(MIDDLING))
    registry.promote(train(GOOD))
    old, new = Path.cwd(), Path.cwd().with_name("moved to, 新")
    how(old, new)
    before = contents(str(old / ".state"))
    monkeypatch.chdir(new)
    monkeypatch.setenv("PORTFOLIO_STATE", str(new / ".state"))
    # What the store has is not asked of MLflow.
    shutil.rmtree(".state/store/toy/bundles")
    edit_card()
    run_stage("evaluate", "toy")
    # In a process of its own: within one, MLflow remembers where a run's artifacts were.
    told = subprocess.run([sys.executable, "-c", MOVED], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["True", "2", "1"]
    assert contents(str(old / ".state")) == before


def test_a_number_is_pinned_as_the_registry_has_it(
    registry: Registry, train: Train, mlflow: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store still has a bundle that an earlier registry gave the same number."""
    registry.promote(train(MIDDLING))
    earlier = published().digest
    mlflow.delete_registered_model("toy")
    assert train(GOOD) == 1
    monkeypatch.setattr(sys, "argv", ["portfolio", "pin", "toy", "1"])
    with suppress(SystemExit):
        main()
    served = Store.of("toy").served()
    assert served is not None
    assert served.digest == registry.versions()[0].digest != earlier
