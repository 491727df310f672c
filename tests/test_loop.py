"""The real loop with the real tools, end to end, in a clone of this checkout's working tree."""

import errno
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from socket import socket
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from copier import run_copy

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.store import Store
from portfolio.cli.template import QUESTIONS
from tests.checkouts import checkout_of_one, copy_tree, repository, with_one
from tests.workspace import ROOT, add_test_use_cases, edit_config


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of somebody's own in which the toy is all there is; made from this repository if it is the template."""
    folder = tmp_path_factory.mktemp("clone") / "mine"
    if not (ROOT / QUESTIONS).exists():
        return checkout_of_one(folder)
    template = repository(copy_tree(tmp_path_factory.mktemp("template")))
    run_copy(str(template), folder, {"title": "Mine"}, defaults=True, quiet=True)
    return with_one(repository(add_test_use_cases(folder)))


def portfolio(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    dropped = ("PORTFOLIO_STATE", "PREFECT_API_URL", "MLFLOW_TRACKING_URI")
    environment = {key: value for key, value in os.environ.items() if key not in dropped} | more
    # Wide enough for a table's lines to stay whole.
    environment["COLUMNS"] = "200"
    return subprocess.run(
        [sys.executable, "-m", "portfolio", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def succeed(folder: Path, *arguments: str, **more: str) -> str:
    result = portfolio(folder, *arguments, **more)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


# It trains twice.
@pytest.mark.timeout(1200)
def test_the_demo_tells_the_whole_story_and_leaves_everything_as_it_was(clone: Path, tmp_path: Path) -> None:
    state = clone / ".state"
    before = {*state.iterdir()} if state.exists() else set()
    told = succeed(clone, "demo", "--record", str(tmp_path / "demo.svg"))
    assert re.findall(r"^(\d)  \S", told, re.MULTILINE) == list("1234567")
    assert "✗" not in told
    # Whether a challenger is better depends on which of the labels are drawn to judge it.
    told_of_renewal = ("the challenger wins" in told, "the gate keeps the champion" in told)
    assert sum(told_of_renewal) == 1
    assert told.count("left out") == told_of_renewal[1]
    for expected in (
        "it is quarantined: ",
        "chosen",
        "actual",
        "the alarm says so",
        "refused",
    ):
        assert expected in told
    assert "Done in" in told
    assert Path(urlsplit(told.split()[-1]).path).is_file()
    assert "the alarm says so" in (tmp_path / "demo.svg").read_text().replace("&#160;", " ")
    port = re.search(r"serves at http://127.0.0.1:(\d+)", told)
    assert port is not None
    with socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(port[1]))) == errno.ECONNREFUSED
    status = subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True)
    assert status.stdout == ""
    # Its traffic, its labels and its models are made up: none is among those of the checkout.
    assert {*state.iterdir()} - before == {state / "demo"}


@pytest.fixture(scope="module")
def work(looped_once: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another clone, in which the loop has run."""
    return Path(shutil.copytree(looped_once(), tmp_path_factory.mktemp("work") / "clone", symlinks=True))


def test_the_loop_ends_with_a_champion_and_goes_on_with_what_is_new(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTFOLIO_STATE", str(work / ".state"))
    champion = Store.of("toy").champion()
    assert champion is not None
    manifest = Bundle.open(Store.of("toy").bundle_folder(champion.digest)).manifest
    assert manifest.lineage.mlflow_run_id
    scores = json.loads((work / "metrics" / "toy" / "evaluate.json").read_text())
    assert scores["candidates"][scores["best"]]["accuracy"] > 0.85

    # New days arrive: they are collected, and what depends on them runs.
    monkeypatch.chdir(work)
    edit_config("toy", collect={"until": "2026-01-10"})
    more = succeed(work, "run", "toy")
    assert "2 new batches" in more
    assert "version 2" in more
    told = succeed(work, "report", "toy", "--lang", "ja")
    assert told.strip().endswith("reports/toy/index.ja.html")
    assert "version 2" in (work / "reports" / "toy" / "index.html").read_text()
    listed = succeed(work, "models", "toy")
    assert "champion" in listed
    assert "test rows" in listed


def test_what_a_task_did_is_in_prefect(work: Path) -> None:
    database = sqlite3.connect(work / ".state" / "prefect" / "prefect.db")
    with closing(database):
        logs = [row[0] for row in database.execute("select message from log")]
        artifacts = [row[0] for row in database.execute("select data from artifact where key = 'training-toy'")]
        states = {row[0] for row in database.execute("select state_type from task_run")}
    assert any("epoch 1 of at most" in message for message in logs)
    assert any("best by value" in message for message in logs)
    assert any("promoted and published" in artifact for artifact in artifacts)
    assert "COMPLETED" in states


def test_the_report_links_to_its_run_in_mlflow(work: Path) -> None:
    """With the real server on that clone's state; only the port is another."""
    page = (work / "reports" / "toy" / "index.html").read_text()
    link = re.search(r'href="http://127.0.0.1:5000/#/experiments/(\d+)/runs/(\w+)"', page)
    assert link is not None
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["make", "mlflow", f"MLFLOW_PORT={port}"]
    environment = os.environ | {"PORTFOLIO_STATE": str(work / ".state")}
    server = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    try:
        address = f"http://127.0.0.1:{port}"
        run = answer(f"{address}/api/2.0/mlflow/runs/get?run_id={link[2]}")["run"]
        assert run["info"]["experiment_id"] == link[1]
        assert run["data"]["metrics"]
        files = answer(f"{address}/api/2.0/mlflow/artifacts/list?run_id={link[2]}&path=bundle")["files"]
        assert {file["path"] for file in files} == {"bundle/manifest.json", "bundle/model.onnx"}
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def answer(address: str) -> dict[str, Any]:
    """What a server says that may still be starting."""
    for _ in range(600):
        try:
            with urlopen(address, timeout=30) as response:
                return dict(json.load(response))
        except URLError:
            time.sleep(0.2)
    raise AssertionError(f"{address} does not answer")


def test_dvc_works_as_its_users_expect(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looped, work = work, tmp_path / "work"
    shutil.copytree(looped, work, ignore=shutil.ignore_patterns(".state"))

    def dvc(*arguments: str) -> str:
        environment = os.environ | {"PORTFOLIO_STATE": str(tmp_path / "state")}
        return subprocess.run(
            ["dvc", *arguments], cwd=work, env=environment, capture_output=True, text=True, check=True
        ).stdout

    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["add", "-A"], [*identity, "commit", "-qm", "a run"]):
        subprocess.run(["git", *command], cwd=work, check=True)
    before = json.loads((work / "metrics" / "toy" / "train.json").read_text())
    dvc("exp", "run", "-S", "configs/toy.yaml:train.max_epochs=2", "evaluate@toy")
    after = json.loads((work / "metrics" / "toy" / "train.json").read_text())
    assert (before["epochs"] > 2, after["epochs"]) == (True, 2)
    assert "train.max_epochs" in dvc("params", "diff")
    changes = json.loads(dvc("metrics", "diff", "--json"))["metrics/toy/evaluate.json"]
    assert "candidates.network.log_loss" in changes
    assert not any("logistic_regression" in name for name in changes)
    assert "metrics/toy/evaluate.json" in dvc("metrics", "show")
    dvc("plots", "show")
    page = (work / "dvc_plots" / "index.html").read_text()
    assert "training.csv" in page

    monkeypatch.chdir(work)
    points = [{"network.hidden": 2}, {"network.hidden": 4}]
    edit_config("toy", studies={"seeds": [7], "capacity": points})
    told = succeed(work, "study", "capacity", "toy", PORTFOLIO_STATE=str(tmp_path / "state"))
    assert "metrics/toy/studies/capacity.json" in told
    assert len(json.loads((work / "metrics" / "toy" / "studies" / "capacity.json").read_text())["points"]) == 2
