"""Versions in a real MLflow on a database file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from portfolio.bundle.store import Store
from portfolio.core.errors import RegistryError
from portfolio.registry.registry import Registry
from tests.registry.conftest import GOOD, MIDDLING, Train, evaluate_again
from tests.workspace import run_stage


def test_the_same_model_is_registered_once(registry: Registry, train: Train) -> None:
    assert train(MIDDLING) == train(MIDDLING) == 1
    assert train(GOOD) == 2
    assert train(MIDDLING) == 1
    assert [version.number for version in registry.versions()] == [2, 1]


def test_an_unknown_version_is_an_error_that_lists_those_there_are(registry: Registry, train: Train) -> None:
    with pytest.raises(RegistryError, match=r"no version 7\. There are: none"):
        registry.promote(7)
    train(MIDDLING)
    train(GOOD)
    with pytest.raises(RegistryError, match=r"no version 7\. There are: 2, 1"):
        registry.promote(7)
    assert Store.of("toy").champion() is None


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
