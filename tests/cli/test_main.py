import itertools
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from portfolio.cli.main import app, main
from portfolio.core.paths import Paths
from tests.cli.conftest import output, portfolio, run_main
from tests.serving.runtime.test_hot_swap import free_port
from tests.workspace import ALL_USE_CASES


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["collect", "tyo"], ", ".join(sorted(ALL_USE_CASES))),
        (["run", "tyo"], ", ".join(sorted(ALL_USE_CASES))),
        (["stage", "trian", "toy"], "train"),
        (["stage", "validate", "toy"], "portfolio collect toy"),
        (["stage", "train", "toy"], "dvc repro"),
        (["rollback", "toy"], "portfolio run toy"),
    ],
)
def test_a_mistake_gets_one_message_with_the_remedy(
    workspace: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert message in run_main(arguments, 1, monkeypatch, capsys).err


@pytest.mark.parametrize("command", [["models", "toy"], ["readme"], ["report", "toy"], ["study", "ablation", "toy"]])
def test_a_folder_that_is_no_checkout_is_named(
    tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORTFOLIO_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(sys, "argv", ["portfolio", *command])
    with pytest.raises(SystemExit):
        main()
    assert "Run this in the repository's root" in capsys.readouterr().err


def test_a_mistake_ends_the_process_without_a_traceback(workspace: Path) -> None:
    result = portfolio("collect", "tyo")
    assert result.returncode == 1
    assert ", ".join(sorted(ALL_USE_CASES)) in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("encoding", ["ascii", "cp932"])
def test_what_a_terminal_can_not_show_does_not_end_a_command(
    workspace: Path, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    result = portfolio("check", "toy")
    assert (result.returncode, result.stderr) == (0, "")
    assert "? toy: nothing is wrong" in result.stdout


def test_rows_that_can_not_be_read_end_without_a_traceback_and_name_the_command(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clean = Paths("toy").clean
    clean.mkdir(parents=True)
    (clean / "2026-01-05.parquet").write_bytes(b"PAR1 is cut off")
    said = " ".join(run_main(["stage", "prepare", "toy"], 1, monkeypatch, capsys).err.split())
    assert "portfolio stage prepare toy: its rows can't be worked with" in said


def test_a_database_that_polars_can_not_read_is_named_without_its_password(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreadable(*arguments: object) -> None:
        raise pl.exceptions.ComputeError("mixed types\nin all of them")

    monkeypatch.setattr("portfolio.profiling.origins.origin", unreadable)
    command = ["new", "shop", "postgresql://reader:s3cret@db.example/shop", "--target", "bought", "--yes"]
    said = " ".join(run_main(command, 1, monkeypatch, capsys).err.split())
    assert "portfolio new shop postgresql://reader:${PASSWORD}@db.example/shop" in said
    assert "s3cret" not in said


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, portfolio.cli; print([m for m in ('torch', 'mlflow', 'prefect', 'polars') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_server_imports_neither_torch_nor_mlflow() -> None:
    code = "import sys, serving.app; print([m for m in ('torch', 'mlflow', 'prefect', 'polars') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_what_begins_a_run_or_writes_a_report_does_not_import_what_it_may_not_need() -> None:
    code = "import sys, pipelines.training, portfolio.report.page, portfolio.monitoring.monitor;"
    code += "print([m for m in ('scipy', 'sklearn', 'torch', 'mlflow') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


PANELS = [
    "Run the loop",
    "Use your own data",
    "Run a single step",
    "Serve",
    "Run everything",
    "Ask a server",
    "Score files",
    "Watch",
    "Measure and improve",
    "Choose the version that is served",
    "Start over",
]


def test_help_has_groups_in_the_order_in_which_one_needs_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = output(["--help"], monkeypatch, capsys)
    assert re.findall(r"^╭─ (.+?) ─*╮$", shown, re.MULTILINE) == ["Options", *PANELS]
    listed = re.findall(r"^│ ([a-z-]+) ", shown, re.MULTILINE)
    assert sorted(listed[1:]) == sorted(typer.main.get_command(app).commands)
    assert listed[:3] == ["--help", "demo", "run"]


def test_without_a_use_case_the_first_of_params_is_taken(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "params.yaml").write_text("use_cases:\n  - melons\n  - toy\n")
    for command in (["run"], ["collect"], ["models"], ["report"], ["tune"], ["demo"], ["serve"], ["study", "ablation"]):
        assert "There is no use case 'melons'" in " ".join(run_main(command, 1, monkeypatch, capsys).err.split())


@pytest.mark.parametrize(
    ("command", "remedy"), [(["run"], "run this in the project's folder"), (["serve"], "Set PORTFOLIO_USE_CASE")]
)
def test_without_a_use_case_and_params_the_remedy_is_told(
    command: list[str],
    remedy: str,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (workspace / "params.yaml").unlink()
    # Not the usual one, on which the project of whoever runs this may be serving.
    monkeypatch.setenv("PORT", str(free_port()))
    said = " ".join(run_main(command, 1, monkeypatch, capsys).err.split())
    assert "no params.yaml" in said
    assert remedy in said


@pytest.mark.parametrize("command", ["predict", "score", "simulate"])
def test_no_sentence_of_the_help_is_broken_off(command: str) -> None:
    """Each line goes on until the next word would not fit."""
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "80", "TERM": "dumb"}).output
    lines = [line.strip() for line in shown.partition("╭")[0].splitlines()]
    for line, following in itertools.pairwise(lines):
        if line and following:
            assert len(f"{line} {following.split()[0]}") > 78, line
