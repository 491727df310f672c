"""What make targets do beyond one call of `portfolio`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from socket import socket

import pytest
import yaml

from portfolio.cli.state import IRREPLACEABLE
from tests.checkouts import checkout
from tests.servers import started
from tests.serving.runtime.test_hot_swap import free_port
from tests.workspace import ROOT


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout. Not to be changed."""
    return checkout(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """One in a folder that many a script trips over."""
    return Path(shutil.copytree(whole, tmp_path / "私の フォルダ", symlinks=True))


def make(folder: Path, *arguments: str, timeout_seconds: float = 120, **more: str) -> subprocess.CompletedProcess[str]:
    """Run targets without set-up, with the packages that these tests run with."""
    return subprocess.run(
        ["make", "-o", "setup", *arguments],
        cwd=folder,
        env=environment() | more,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
    )


def environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("PORTFOLIO_STATE", "USE_CASE")}
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def test_clean_keeps_what_can_not_be_made_again(copy: Path) -> None:
    kept = [
        *(f".state/{name}/file" for name in IRREPLACEABLE),
        "data/toy/raw/batches/2026-01-05.parquet",
        ".dvc/cache/files/md5/00/file",
        "metrics/toy/evaluate.json",
        "configs/toy.yaml",
    ]
    made = [
        *(f".state/{name}/file" for name in ("demo", "logs", "checkpoints")),
        *(f"data/toy/{name}/file" for name in ("clean", "quarantine", "splits")),
        *(f"{name}/file" for name in ("build", "models", "plots", "reports", ".mypy_cache", ".ruff_cache")),
    ]
    for name in (*kept, *made):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("content")
    assert make(copy, "clean").returncode == 0
    assert [name for name in kept if not (copy / name).exists()] == []
    assert [name for name in made if (copy / name).parent.exists()] == []
    # There is nothing left to do, and that is no failure.
    assert make(copy, "clean").returncode == 0


def test_clean_takes_the_state_folder_from_the_environment(copy: Path, tmp_path: Path) -> None:
    state = tmp_path / "my state"
    for name in ("demo", "log"):
        (state / name).mkdir(parents=True)
    (copy / ".state" / "demo").mkdir(parents=True)
    assert make(copy, "clean", PORTFOLIO_STATE=str(state)).returncode == 0
    assert [path.name for path in state.iterdir()] == ["log"]
    assert (copy / ".state" / "demo").exists()


@pytest.mark.parametrize("more", [{}, {"USE_CASE": ""}])
def test_the_default_use_case_is_the_first_of_params(copy: Path, more: dict[str, str]) -> None:
    (copy / "params.yaml").write_text(
        "other: 1\n# - not_this\nuse_cases:\n  # a comment\n  - melons  # ripe\n  - pears\n"
    )
    assert make(copy, "use-case", **more).stdout == "USE_CASE=melons\n"
    assert "portfolio run melons" in make(copy, "-n", "run", **more).stdout
    assert make(copy, "use-case", USE_CASE="pears").stdout == "USE_CASE=pears\n"


@pytest.mark.parametrize("line", ["[melons, pears]", "[ melons ]  # one", "# these\n  - melons\n  - pears"])
def test_the_list_may_be_written_in_any_way(copy: Path, line: str) -> None:
    (copy / "params.yaml").write_text(f"use_cases: {line}\n")
    assert make(copy, "use-case").stdout == "USE_CASE=melons\n"


def test_the_default_is_that_of_the_command_line() -> None:
    first = yaml.safe_load((ROOT / "params.yaml").read_text())["use_cases"][0]
    assert make(ROOT, "use-case").stdout == f"USE_CASE={first}\n"


def test_mlflow_without_a_training_says_so_and_fails(copy: Path) -> None:
    result = make(copy, "mlflow")
    assert result.returncode != 0
    assert "nothing has been trained here yet" in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


@pytest.fixture
def records(copy: Path, empty_mlflow: Path) -> Path:
    """MLflow's records in the copy."""
    folder = copy / ".state" / "mlflow"
    folder.mkdir(parents=True)
    shutil.copyfile(empty_mlflow, folder / "mlflow.db")
    return folder


def test_mlflow_names_a_port_in_use_and_fails(copy: Path, records: Path) -> None:
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = make(copy, "mlflow", f"MLFLOW_PORT={port}")
    said = " ".join(result.stderr.split())
    assert result.returncode != 0
    assert f"127.0.0.1:{port}" in said
    assert f"make mlflow MLFLOW_PORT={port + 1}" in said
    assert "Traceback" not in said


def test_mlflow_that_can_not_start_fails(copy: Path, records: Path) -> None:
    (records / "mlflow.db").write_text("no database")
    port = free_port()
    assert make(copy, "mlflow", f"MLFLOW_PORT={port}").returncode != 0


def test_mlflow_shows_the_records_of_a_folder_of_any_name_until_it_is_stopped(copy: Path, records: Path) -> None:
    port = free_port()
    command = ["make", "-o", "setup", "mlflow", f"MLFLOW_PORT={port}"]
    address = "/api/2.0/mlflow/experiments"
    with started(command, port, copy, environment()) as (client, _):
        made = client.post(f"{address}/create", json={"name": "果物"})
        found = client.get(f"{address}/get", params={"experiment_id": made.json()["experiment_id"]}).json()
        assert found["experiment"]["name"] == "果物"
        # It is written where the loop reads it.
        assert "果物".encode() in (records / "mlflow.db").read_bytes()
