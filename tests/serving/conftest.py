"""A server of the tiny bundle, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from portfolio.store import Store
from serving.app import create_app
from tests.conftest import publish


@pytest.fixture
def client(store: Store, tmp_path: Path) -> Iterator[TestClient]:
    """Serves version 1. Two-by-two images, in which "left" is where the upper half has more ink."""
    publish(store, tmp_path / "one", version=1)
    with TestClient(create_app()) as client:
        yield client
