"""The prediction log's databases: SQLite, and a real PostgreSQL where the machine has one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from portfolio.bundle.store import Store
from portfolio.contract.loading import load_use_case
from portfolio.contract.use_case import UseCase
from portfolio.monitoring.prediction_log.log import PredictionLog
from tests import postgres
from tests.monitoring.world import World
from tests.workspace import TOY


@pytest.fixture(scope="session")
def postgres_address() -> Iterator[str]:
    if postgres.programs() is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    with postgres.server() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'log' / 'toy.db'}"
    found: str = request.getfixturevalue("postgres_address")
    engine = create_engine(found)
    with engine.begin() as connection:
        connection.execute(text("drop schema public cascade; create schema public"))
    engine.dispose()
    return found


@pytest.fixture
def log_file(workspace: Path) -> str:
    """The address of the toy's log, where its use case is."""
    return f"sqlite:///{workspace / '.state' / 'log' / 'toy.db'}"


@pytest.fixture
def world(log_file: str) -> World:
    return World(Store.of(TOY), PredictionLog(log_file))


@pytest.fixture
def use_case(workspace: Path) -> UseCase:
    return load_use_case(TOY)
