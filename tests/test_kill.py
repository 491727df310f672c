"""kill -9, then run again: the same result as without the kill. Real processes, killed as a power cut would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from portfolio.bundle.manifest import read_manifest
from portfolio.core import files
from portfolio.core.paths import Paths
from tests.checkouts import checkout, make_repository
from tests.workspace import collect, run_stage

Built = Callable[[str], Path]
TIMEOUT_SECONDS = 240

# Collects as the command line does, but stops at the named point and says so, for ever.
STOPPING_COLLECT = """
import signal, sys
from portfolio.core import files
from portfolio.cli.main import main

point, original, count = sys.argv.pop(1), files.replaced, 0

def stop():
    print("stopped", flush=True)
    signal.pause()

from contextlib import contextmanager

@contextmanager
def replaced(path):
    global count
    count += 1
    if count == 4 and point == "between two batches":
        stop()
    with original(path) as partial:
        yield partial
        if count == 4 and point == "before a batch is in place":
            stop()

files.replaced = replaced
sys.argv[0] = "portfolio"
main()
"""


def kill_group(process: subprocess.Popen[str]) -> None:
    """The process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def contents(folder: Path) -> dict[str, str]:
    return {path.name: files.sha256(path) for path in folder.iterdir()}


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            kill_group(process)
            pytest.fail("it ended by itself, or did not come so far")
        time.sleep(0.002)


@pytest.mark.parametrize("point", ["between two batches", "before a batch is in place"])
def test_a_killed_collect_is_completed_by_the_next(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    folder = Paths("toy").batches
    make_repository(workspace)
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPING_COLLECT, point, "collect", "toy"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "stopped\n"
    kill_group(process)
    whole = [path for path in folder.iterdir() if path.suffix == ".parquet"]
    assert len(whole) == 3
    assert len(collect("toy").added) == 1
    found = contents(folder)
    (tmp_path / "uninterrupted").mkdir()
    for name in ("configs", "use_cases", "params.yaml"):
        (tmp_path / "uninterrupted" / name).symlink_to(workspace / name)
    monkeypatch.chdir(tmp_path / "uninterrupted")
    collect("toy")
    assert contents(folder) == found


def test_a_killed_training_goes_on_to_the_same_model(built: Built, capsys: pytest.CaptureFixture[str]) -> None:
    folder = built("toy")
    paths = Paths("toy")
    model = paths.models / "network" / "model.onnx"
    curve = paths.plots / "training.csv"
    expected = (paths.metrics("train").read_text(), curve.read_text(), files.sha256(model))
    paths.metrics("train").unlink()
    curve.unlink()
    model.unlink()
    process = subprocess.Popen(
        [sys.executable, "-m", "portfolio", "stage", "train", "toy"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )

    def checkpoints() -> list[Path]:
        return list((folder / ".state" / "checkpoints" / "toy").glob("*/last.ckpt"))

    wait_until(lambda: bool(checkpoints()), process)
    kill_group(process)
    assert process.returncode == -signal.SIGKILL
    assert checkpoints(), "it was killed too late to prove anything"
    assert not model.exists()
    capsys.readouterr()
    run_stage("train", "toy")
    assert "resuming from" in capsys.readouterr().out
    assert (paths.metrics("train").read_text(), curve.read_text(), files.sha256(model)) == expected


def test_a_repro_killed_between_stages_goes_on_to_the_same_model(
    built_once: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also: the lock that DVC leaves behind is not in the way, and what was done is not done again."""
    folder = checkout(tmp_path / "clone")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("PORTFOLIO_STATE", raising=False)
    beside = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{beside}{os.pathsep}{os.environ['PATH']}")
    # As if nothing had run before.
    Path("dvc.lock").unlink(missing_ok=True)
    collect("toy")
    command = [str(beside / "dvc"), "repro", "baselines@toy"]

    with (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, text=True, start_new_session=True)
        wait_until(Paths("toy").lock("baselines").exists, process)
        kill_group(process)
    assert json.loads(Path(".dvc/tmp/rwlock").read_text())["write"], "it left no lock behind"
    assert not (Paths("toy").models / "baselines").exists()
    again = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    assert again.returncode == 0, again.stderr
    assert "Running stage 'baselines@toy'" in again.stdout
    assert "Running stage 'prepare@toy'" not in again.stdout
    uninterrupted = built_once("toy")
    for name in ("train", "val", "test"):
        path = Paths("toy").splits / f"{name}.parquet"
        assert files.sha256(path) == files.sha256(uninterrupted / path)
    bundle = Paths("toy").models / "baselines" / "logistic_regression"
    assert read_manifest(bundle)[0].model_sha256 == read_manifest(uninterrupted / bundle)[0].model_sha256
    assert json.loads(Paths("toy").metrics("validate").read_text())["batches"] == 4


def test_a_stage_waits_for_one_that_a_kill_left_running(built: Built) -> None:
    """DVC alone was killed: what it had started goes on, and writes the same files."""
    built("toy")
    sha256 = Paths("toy").splits / "sha256"
    sha256.write_text("what the other one writes")
    with files.alone(Paths("toy").lock("prepare")):
        process = subprocess.Popen(
            [sys.executable, "-m", "portfolio", "stage", "prepare", "toy"], stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        assert f"waiting for process {os.getpid()} to end" in process.stderr.readline()
        assert sha256.read_text() == "what the other one writes"
    assert process.communicate(timeout=TIMEOUT_SECONDS)[1] == ""
    assert process.returncode == 0
    assert len(sha256.read_text()) == 64
