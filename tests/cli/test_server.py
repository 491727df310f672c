import socket
from pathlib import Path

import pytest

from portfolio.cli.server import listening
from portfolio.monitoring.prediction_log.log import PredictionLog
from serving.front.security import hashed
from tests.cli.conftest import output, portfolio


def test_a_port_in_use_is_named(workspace: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = portfolio("serve", "toy", "--port", str(port))
    assert result.returncode == 1
    assert f"127.0.0.1:{port}" in result.stderr
    # The remedy serves the same use case.
    assert f"portfolio serve toy --port {port + 1}" in " ".join(result.stderr.split())


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_log_of_another_use_case_is_refused_at_the_start(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    address = f"sqlite:///{workspace}/shared.db"
    log = PredictionLog(address)
    log.claim("shapes")
    log.close()
    monkeypatch.setenv("SERVING_LOG_URL", address)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = portfolio("serve", "toy", "--port", str(port), "--workers", workers)
    assert result.returncode == 1
    told = " ".join(result.stderr.split())
    assert "This prediction log is that of 'shapes', and 'toy' needs one of its own. Set SERVING_LOG_URL" in told
    assert "Traceback" not in told


def test_outside_of_a_project_it_says_where_to_run_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PORTFOLIO_STATE", raising=False)
    result = portfolio("serve", "toy")
    assert result.returncode == 1
    assert "There is no project in" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("no.such.host.invalid", "is not a known host"),
        ("a..b", "is not a known host"),
        ("192.0.2.1", "not an address of this"),
    ],
)
def test_a_host_that_can_not_be_listened_on_is_named(host: str, message: str, workspace: Path) -> None:
    result = portfolio("serve", "toy", "--host", host, "--port", "8000")
    assert result.returncode == 1
    assert host in result.stderr
    assert message in " ".join(result.stderr.split())
    assert "Stop what uses it" not in result.stderr
    assert "Traceback" not in result.stderr


def test_an_address_of_six_is_probed_as_one(workspace: Path) -> None:
    with socket.socket(socket.AF_INET6) as taken:
        try:
            taken.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        port = taken.getsockname()[1]
        taken.listen()
        result = portfolio("serve", "toy", "--host", "::1", "--port", str(port))
        assert result.returncode == 1
        assert f"[::1]:{port}" in result.stderr
        assert "Stop what uses it" in " ".join(result.stderr.split())
    for opened in listening("::1", port, ""):
        opened.close()


def test_a_new_key_is_shown_with_the_hash_that_the_server_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (output(["api-key"], monkeypatch, capsys).splitlines() for _ in range(2))
    key, sha256 = (line.split()[-1] for line in first[:2])
    assert sha256 == hashed(key)
    assert len(key) >= 43
    assert first[0] != second[0]
