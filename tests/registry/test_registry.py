"""With a real MLflow on a database file, and real bundles of better and worse models."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import onnx
import pytest
from mlflow.tracking import MlflowClient

from portfolio.bundle.bundle import Bundle, write_bundle
from portfolio.bundle.manifest import MODEL_NAME, read_manifest
from portfolio.bundle.store import Store
from portfolio.cli.main import main
from portfolio.contract.loading import load_use_case
from portfolio.core.errors import DataError, RegistryError, RegistryUnreachableError
from portfolio.core.paths import Paths
from portfolio.registry import judgement, runs
from portfolio.registry.registry import Registry
from tests.registry.conftest import BAD, GOOD, MIDDLING, REGISTER, Train, aliases, edit_card, published, verdict_record
from tests.workspace import run_stage


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


def test_a_new_version_is_the_challenger(registry: Registry, train: Train) -> None:
    number = train(MIDDLING)
    (version,) = registry.versions()
    assert version.number == number == 1
    assert version.aliases == ("challenger",)
    assert version.candidate == "model"
    assert 0 < version.metrics["test/log_loss"] < 1
    assert Store.of("toy").champion() is None


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


def test_a_record_that_was_cut_off_is_not_under_way_for_ever(
    registry: Registry, mlflow: MlflowClient, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    def states() -> list[str]:
        (experiment,) = mlflow.search_experiments(filter_string="name = 'toy'")
        return sorted(run.info.status for run in mlflow.search_runs([experiment.experiment_id]))

    with monkeypatch.context() as patch:
        patch.setattr(runs, "_finish", cut_off)
        with pytest.raises(KeyboardInterrupt):
            train(GOOD)
    assert states() == ["RUNNING"]
    train(GOOD)
    assert states().count("KILLED") == 1
    assert "RUNNING" not in states()


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


def test_a_champion_that_changes_while_it_is_compared_with_is_not_overwritten(
    registry: Registry, train: Train, mlflow: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.promote(train(BAD))
    number, best = train(MIDDLING), train(GOOD)
    original, calls = judgement.judge, []

    def meanwhile(*arguments: Any) -> Any:
        if not calls:
            mlflow.set_registered_model_alias("toy", "champion", str(best))
        calls.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(judgement, "judge", meanwhile)
    assert not registry.promote(number).promoted
    assert len(calls) == 2
    assert aliases(registry)["champion"] == published().model_version == best


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
