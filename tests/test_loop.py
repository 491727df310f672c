"""The real loop with the real tools, end to end, in a clone of this checkout's working tree."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from portfolio.bundle import Bundle
from portfolio.store import Store
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the working tree's files in one commit."""
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "tree"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def portfolio(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PORTFOLIO_STATE"}
    return subprocess.run(
        [sys.executable, "-m", "portfolio", *arguments], cwd=clone, env=environment, capture_output=True, text=True
    )


def test_the_loop_publishes_a_champion_that_reads_digits(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = portfolio(clone, "run", "digits")
    assert first.returncode == 0, first.stderr[-3000:]
    monkeypatch.setenv("PORTFOLIO_STATE", str(clone / ".state"))
    store = Store.of("digits")
    champion = store.champion()
    assert champion is not None
    bundle = Bundle.open(store.bundle_folder(champion.digest))
    assert bundle.manifest.lineage.mlflow_run_id
    scores = json.loads((clone / "metrics" / "digits" / "evaluate.json").read_text())
    assert scores["candidates"][scores["best"]]["accuracy"] > 0.97

    second = portfolio(clone, "run", "digits")
    assert second.returncode == 0, second.stderr[-3000:]
    assert "Running stage" not in second.stdout
    assert store.champion() == champion
    listed = portfolio(clone, "models", "digits")
    assert "champion" in listed.stdout
