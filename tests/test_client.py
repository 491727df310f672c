"""A champion is exported, as for an image, served from there by a real server, and tried."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from socket import socket

import pytest
import uvicorn

from portfolio.client import smoke
from portfolio.errors import PortfolioError, RegistryError
from portfolio.store import Store
from serving.app import create_app
from tests.conftest import publish


@pytest.fixture
def exported(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The digest of a champion that stands in a store of its own, in which the server looks for it."""
    publish(store, tmp_path / "old", version=1, bias=1.0)
    digest = publish(store, tmp_path / "new", version=2)
    alone = tmp_path / "image" / "store" / "digits"
    store.export(alone)
    assert [folder.name for folder in (alone / "bundles").iterdir()] == [digest]
    monkeypatch.setenv("PORTFOLIO_STATE", str(tmp_path / "image"))
    return digest


@pytest.fixture
def address(exported: str) -> Iterator[str]:
    with socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(), log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(timeout=30)


def test_an_exported_champion_is_served_and_passes(address: str, exported: str) -> None:
    answer = smoke(address, digest=exported[:12])
    assert answer["model"]["version"] == 2
    assert set(answer["predictions"][0]["probabilities"]) == {"left", "right"}


def test_another_bundle_than_the_expected_one_does_not_pass(address: str) -> None:
    with pytest.raises(PortfolioError, match="not abc"):
        smoke(address, digest="abc")


def test_a_server_that_does_not_become_ready_is_given_up_with_its_reason() -> None:
    with socket() as closed:
        closed.bind(("127.0.0.1", 0))
        started = time.monotonic()
        with pytest.raises(PortfolioError, match=r"Not ready within 0 s\. .*/readyz can't be reached"):
            smoke(f"http://127.0.0.1:{closed.getsockname()[1]}", timeout_seconds=0.1)
        assert time.monotonic() - started < 5


def test_without_a_champion_there_is_nothing_to_export(store: Store, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="portfolio run digits"):
        store.export(tmp_path / "image")
    assert not (tmp_path / "image").exists()
