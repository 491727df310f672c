"""Where a version's bundle comes from, and its lineage."""

from __future__ import annotations

from pathlib import Path

import pytest

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.store import Store
from portfolio.contract.loading import load_use_case
from portfolio.core.errors import BundleError
from portfolio.registry.registry import Registry
from tests.registry.conftest import GOOD, MIDDLING, Train, aliases, dearer, evaluate_again, published, verdict_record


def test_a_bundle_that_was_damaged_in_mlflow_is_not_published(registry: Registry, train: Train) -> None:
    registry.promote(train(MIDDLING))
    before, kept = published(), Path.cwd() / ".state" / "mlflow"
    there = {*kept.rglob("model.onnx")}
    number = train(GOOD)
    # Not the newest: files that are written within a tick of the system's clock have the same time.
    for model in {*kept.rglob("model.onnx")} - there:
        model.write_bytes(model.read_bytes()[:-1])
    with pytest.raises(BundleError, match="SHA-256"):
        registry.promote(number)
    assert published() == before
    assert aliases(registry)["champion"] == 1


def test_no_copy_of_a_bundle_stays_behind(
    registry: Registry, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while the process runs either: a server that watches for weeks ends by a signal."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    for kind in (MIDDLING, GOOD):
        registry.promote(train(kind))
    assert list(scratch.iterdir()) == []


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
