import subprocess
import sys
from pathlib import Path

import pytest

from portfolio.cli import main
from portfolio.errors import PortfolioError


def portfolio(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "portfolio", *arguments], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["collect", "digit"], "digits, housing"),
        (["run", "digit"], "digits, housing"),
        (["stage", "trian", "digits"], "train"),
        (["stage", "validate", "digits"], "portfolio collect digits"),
        (["stage", "train", "digits"], "dvc repro"),
        (["rollback", "digits"], "portfolio run digits"),
    ],
)
def test_a_mistake_gets_one_message_with_the_remedy(
    workspace: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["portfolio", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", [["models", "digits"], ["readme"], ["report", "digits"], ["study", "ablation"]])
def test_a_folder_that_is_no_checkout_is_named(
    tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORTFOLIO_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(sys, "argv", ["portfolio", *command])
    with pytest.raises(SystemExit):
        main()
    assert "Run this in the repository's root" in capsys.readouterr().err


def test_a_prefect_server_that_does_not_answer_is_named(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.server import PrefectServer

    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    with pytest.raises(PortfolioError, match=r"PREFECT_API_URL, http://127\.0\.0\.1:1/api .*unset"):
        PrefectServer(workspace / "prefect.log").start()


def test_a_mistake_ends_the_process_without_a_traceback(workspace: Path) -> None:
    result = portfolio("collect", "digit")
    assert result.returncode == 1
    assert "digits, housing" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_port_in_use_is_named(workspace: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = portfolio("serve", "digits", "--port", str(port))
    assert result.returncode == 1
    assert f"127.0.0.1:{port}" in result.stderr


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, portfolio.cli; print([m for m in ('torch', 'mlflow', 'prefect', 'polars') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_server_imports_neither_torch_nor_mlflow() -> None:
    code = "import sys, serving.app; print([m for m in ('torch', 'mlflow', 'prefect', 'polars') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
