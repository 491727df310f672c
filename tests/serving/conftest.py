"""A server of the tiny bundle, in this process; and digits as they are really trained."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from portfolio.bundle.store import Store
from portfolio.core.paths import Paths
from serving.app import create_app
from serving.front.front import Front
from serving.services import Services
from tests.conftest import ROOT, environment_kept, publish, run_stage


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


@dataclass(frozen=True)
class Trained:
    """A folder in which all stages have run, and the bundle of its network."""

    folder: Path
    bundle: Path


@pytest.fixture(scope="session")
def trained_digits(built_once: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Digits with the network trained as its config says: what is asked of drawings needs the real model."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copytree(built_once("digits"), folder, dirs_exist_ok=True)
    shutil.copyfile(ROOT / "configs" / "digits.yaml", folder / "configs" / "digits.yaml")
    with environment_kept(), chdir(folder):
        os.environ["PORTFOLIO_STATE"] = str(folder / ".state")
        for stage in ("train", "evaluate"):
            run_stage(stage, "digits")
        return Trained(folder, folder / Paths("digits").best_folder())
