import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.capture import CaptureResult

from bench.server import portfolio_server
from portfolio.bundle.store import Store
from portfolio.cli.main import main
from portfolio.core.errors import PortfolioError
from serving.front.security import hashed
from tests.conftest import publish


def portfolio(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "portfolio", *arguments], capture_output=True, text=True)


def run_main(
    arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CaptureResult[str]:
    """What the command line says, where it ends with this code."""
    monkeypatch.setattr(sys, "argv", ["portfolio", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    return capsys.readouterr()


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
    assert message in run_main(arguments, 1, monkeypatch, capsys).err


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


@pytest.mark.parametrize(
    ("host", "message"),
    [("no.such.host.invalid", "is no known host"), ("a..b", "is no known host"), ("192.0.2.1", "no address of this")],
)
def test_a_host_that_can_not_be_listened_on_is_named(host: str, message: str, workspace: Path) -> None:
    result = portfolio("serve", "digits", "--host", host, "--port", "8000")
    assert result.returncode == 1
    assert host in result.stderr
    assert message in " ".join(result.stderr.split())
    assert "Stop what uses it" not in result.stderr
    assert "Traceback" not in result.stderr


def test_an_address_of_six_is_probed_as_one(workspace: Path) -> None:
    import socket

    with socket.socket(socket.AF_INET6) as taken:
        try:
            taken.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        port = taken.getsockname()[1]
        taken.listen()
        result = portfolio("serve", "digits", "--host", "::1", "--port", str(port))
        assert result.returncode == 1
        assert f"[::1]:{port}" in result.stderr
        assert "Stop what uses it" in " ".join(result.stderr.split())
    from portfolio.cli.main import _check_can_listen

    _check_can_listen("::1", port)


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, portfolio.cli; print([m for m in ('torch', 'mlflow', 'prefect', 'polars') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_server_imports_neither_torch_nor_mlflow() -> None:
    code = "import sys, serving.app; print([m for m in ('torch', 'mlflow', 'prefect', 'polars') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def output(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    return run_main(arguments, 0, monkeypatch, capsys).out


def test_a_version_is_pinned_and_let_go(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    digests = {version: publish(store, tmp_path / str(version), version=version, bias=version) for version in (1, 2)}
    assert digests[1][:12] in output(["pin", "digits", "1"], monkeypatch, capsys)
    assert served(store) == 1
    assert "champion" in output(["unpin", "digits"], monkeypatch, capsys)
    assert served(store) == 2


def served(store: Store) -> int:
    found = store.served()
    assert found is not None
    return found.model_version


@pytest.mark.parametrize("command", ["pin", "shadow"])
def test_a_version_that_is_nowhere_is_told_with_those_of_the_store(
    command: str,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    publish(Store.of("digits"), workspace / "one", version=1)
    monkeypatch.setattr(sys, "argv", ["portfolio", command, "digits", "99"])
    with pytest.raises(SystemExit):
        main()
    assert "no version 99 (there are: 1)" in " ".join(capsys.readouterr().err.split())


def test_a_shadow_is_set_and_ended(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for version in (1, 2):
        publish(store, tmp_path / str(version), version=version, bias=version)
    assert "25%" in output(["shadow", "digits", "1", "--share", "0.25"], monkeypatch, capsys)
    shadow = store.shadow()
    assert shadow is not None
    assert (shadow.model_version, shadow.share) == (1, 0.25)
    assert "no shadow" in output(["shadow", "digits", "1", "--share", "0"], monkeypatch, capsys)
    assert store.shadow() is None


def test_a_new_key_is_shown_with_the_hash_that_the_server_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (output(["api-key"], monkeypatch, capsys).splitlines() for _ in range(2))
    key, sha256 = (line.split()[-1] for line in first[:2])
    assert sha256 == hashed(key)
    assert len(key) >= 43
    assert first[0] != second[0]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    state = tmp_path_factory.mktemp("state")
    publish(Store(state / "store" / "digits"), state / "bundle", version=1)
    with portfolio_server(state) as server:
        yield server.url


CSV = "name,pixels_0,pixels_1,pixels_2,pixels_3\na,1,2,3,4\nb,4,3,2,1\n"


@pytest.mark.parametrize("from_stdin", [True, False])
def test_predictions_are_lines_of_json(address: str, tmp_path: Path, from_stdin: bool) -> None:
    (tmp_path / "rows.csv").write_text(CSV)
    file = ["-", "--format", "csv"] if from_stdin else [str(tmp_path / "rows.csv")]
    command = [sys.executable, "-m", "portfolio", "predict", *file, "--url", address, "--ignore", "name"]
    result = subprocess.run(command, input=CSV, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(answer["row"], answer["class"]) for answer in answers] == [(1, "right"), (2, "left")]


def test_predictions_on_a_terminal_are_a_table(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text(CSV)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    shown = output(["predict", str(tmp_path / "rows.csv"), "--url", address, "--ignore", "name"], monkeypatch, capsys)
    assert "expected yen" in shown
    assert "right" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "rows.csv"], "no input name"),
        (["predict", "rows.csv", "--ignore", "name", "--ignore", "pixels_0"], "no input pixels_1"),
        (["predict", "none.csv"], "none.csv can't be read (No such file"),
        (["predict", "."], "Say --format csv"),
        (["predict", ".", "--format", "csv"], "can't be read (Is a directory"),
        (["predict", "bad.csv"], "Row 2 is refused: pixels.3"),
        (["predict", "bad.png"], "not a complete PNG"),
    ],
)
def test_a_file_that_can_not_be_predicted_is_one_message(
    address: str,
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(CSV)
    Path("bad.csv").write_text(CSV.replace("name,", "").replace("a,", "").replace("b,4,3,2,1", "4,3,2,17"))
    Path("bad.png").write_bytes(b"\x89PNG")
    assert message in run_main([*arguments, "--url", address], 1, monkeypatch, capsys).err


def test_a_load_is_told_as_json_and_as_a_table(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steady = ["load", address, "--rate", "100", "--seconds", "0.5", "--connections", "4", "--rows", "2"]
    found = json.loads(output([*steady, "--json"], monkeypatch, capsys))
    assert (found["good"], found["by_status"]) == (50, {"200": 50})
    assert "p99 ms" in output(steady, monkeypatch, capsys)


def test_a_server_on_this_machine_is_asked_without_the_proxy(address: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(CSV)
    proxy = {"http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1", "no_proxy": "", "NO_PROXY": ""}
    command = [sys.executable, "-m", "portfolio", "predict", str(tmp_path / "rows.csv"), "--ignore", "name"]
    result = subprocess.run([*command, "--url", address], env=os.environ | proxy, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://[::1"])
@pytest.mark.parametrize("command", [["load"], ["smoke"], ["predict", "rows.csv", "--url"]])
def test_what_is_no_address_is_one_message(
    command: list[str],
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(CSV)
    said = run_main([*command, url], 1, monkeypatch, capsys).err
    assert "is no address of a server" in " ".join(said.split())


def test_a_load_without_good_answers_ends_with_1(address: str) -> None:
    result = portfolio("load", address, "--rate", "100", "--seconds", "0.1", "--rows", "1001", "--json")
    assert result.returncode == 1
    assert json.loads(result.stdout)["by_status"] == {"422": 10}
