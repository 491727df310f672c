"""Prefect's server for one run, up to where it starts; the loop's test starts a real one."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import pipelines.server
from pipelines.server import PrefectServer
from portfolio.core.errors import PortfolioError


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PrefectServer:
    """One of our own, that ends instead of starting."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    server = PrefectServer(tmp_path / "prefect.log")
    server.start()
    return server


def test_a_server_that_ends_while_starting_is_an_error_that_names_its_log(
    broken: PrefectServer, tmp_path: Path
) -> None:
    with pytest.raises(PortfolioError, match=rf"ended while starting; {tmp_path}/prefect\.log"):
        broken.wait()


def test_flows_send_heartbeats_to_a_named_server_alone(
    broken: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import get_current_settings

    default = get_current_settings().flows.heartbeat_frequency
    assert default
    with broken.flow_settings():
        assert get_current_settings().flows.heartbeat_frequency is None
    monkeypatch.setattr(pipelines.server, "_check_answer", lambda address: None)
    named = PrefectServer(tmp_path / "other.log")
    named.start()
    with named.flow_settings():
        assert get_current_settings().flows.heartbeat_frequency == default


def test_a_prefect_server_that_does_not_answer_is_named(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    with pytest.raises(PortfolioError, match=r"PREFECT_API_URL, http://127\.0\.0\.1:1/api .*unset"):
        PrefectServer(workspace / "prefect.log").start()
