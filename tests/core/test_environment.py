"""Variables of the environment that are set to nothing, as in many a `.env` file, name nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from portfolio.core.environment import local_environment, state_folder
from tests.workspace import environment_kept


def test_an_empty_name_of_a_folder_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORTFOLIO_STATE", "")
    monkeypatch.setenv("PREFECT_HOME", "")
    assert state_folder() == tmp_path / ".state"
    with environment_kept():
        local_environment()
        assert os.environ["PORTFOLIO_STATE"] == str(tmp_path / ".state")
        assert os.environ["PREFECT_HOME"] == str(tmp_path / ".state" / "prefect")
    assert {path.name for path in tmp_path.iterdir()} <= {".state"}
