"""In real repositories."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from portfolio.bundle.lineage import origin
from tests.checkouts import committed
from tests.tiny import ZEROS


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PORTFOLIO_GIT_COMMIT", raising=False)
    monkeypatch.chdir(tmp_path)
    for name in ("src/code.py", "configs/toy.yaml", "configs/other.yaml", "dvc.lock", "metrics/toy/evaluate.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("as committed")
    subprocess.run(["git", "init", "-q"], check=True)
    return committed(tmp_path)


def test_it_names_the_commit_and_the_config(repository: Path) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    found = origin("toy", ZEROS)
    assert (found.git_commit, found.dirty, found.config_sha256) == (head, False, ZEROS)


@pytest.mark.parametrize("name", ["src/code.py", "src/new.py", "configs/toy.yaml"])
def test_what_it_is_made_from_and_is_not_committed_is_said(repository: Path, name: str) -> None:
    (repository / name).write_text("changed")
    assert origin("toy", ZEROS).dirty


@pytest.mark.parametrize("name", ["dvc.lock", "metrics/toy/evaluate.json", "configs/other.yaml"])
def test_what_a_run_writes_and_what_others_use_is_no_change(repository: Path, name: str) -> None:
    (repository / name).write_text("changed")
    assert not origin("toy", ZEROS).dirty


def test_without_a_repository_it_is_what_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert origin("toy", ZEROS).git_commit == "unknown"
    monkeypatch.setenv("PORTFOLIO_GIT_COMMIT", "abc123")
    assert origin("toy", ZEROS).git_commit == "abc123"


def test_a_repository_that_git_refuses_to_read_is_no_clean_one(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As when it belongs to another user. Also from a folder within it."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.chdir(repository / "src")
    found = origin("toy", ZEROS)
    assert (found.git_commit, found.dirty) == ("unknown", True)
    (told,) = capsys.readouterr().out.splitlines()
    assert told.startswith("warning: ")
    assert "dubious ownership" in told
    assert f"git config --global --add safe.directory {repository}" in told


def test_a_state_that_git_can_not_tell_is_no_clean_one(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / ".git" / "index").write_bytes(b"damaged")
    found = origin("toy", ZEROS)
    assert (len(found.git_commit), found.dirty) == (40, True)
    assert "index file" in capsys.readouterr().out


def test_without_a_repository_or_a_commit_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PORTFOLIO_GIT_COMMIT", raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    found = origin("toy", ZEROS)
    assert (found.git_commit, found.dirty, capsys.readouterr().out) == ("unknown", False, "")
