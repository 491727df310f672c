"""A server of the tiny bundle, in this process; and the best bundles of use cases whose stages have run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.store import Store
from portfolio.core.paths import Paths
from serving.app import create_app
from serving.front.front import Front
from serving.services import Services
from tests.conftest import SHAPES, publish


@pytest.fixture
def client(store: Store, tmp_path: Path) -> Iterator[TestClient]:
    """Serves version 1. Two-by-two images, in which "left" is where the upper half has more ink."""
    publish(store, tmp_path / "one", version=1)
    with TestClient(create_app()) as client:
        yield client


def services(client: TestClient) -> Services:
    """The parts of the server behind a test client."""
    assert isinstance(client.app, Front)
    found: Services = client.app.app.state.services
    return found


def best_bundle(folder: Path, use_case: str) -> Bundle:
    """The bundle of the candidate that the evaluation in this workspace named the best."""
    with chdir(folder):
        return Bundle.open(folder / Paths(use_case).best_folder())


@pytest.fixture(scope="session")
def shapes(built_once: Callable[[str], Path]) -> Bundle:
    """Pictures, eight by eight, of an I, an L or an O."""
    return best_bundle(built_once(SHAPES), SHAPES)
