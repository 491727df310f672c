from pathlib import Path

import pytest

from portfolio.core.errors import ConfigError
from serving.settings import Settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, with an empty state, in which no use case is set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORTFOLIO_STATE", str(tmp_path / ".state"))
    monkeypatch.delenv("PORTFOLIO_USE_CASE", raising=False)
    return tmp_path


def hold(folder: Path, *use_cases: str) -> None:
    for name in use_cases:
        (folder / ".state" / "store" / name).mkdir(parents=True)


def test_without_variables_the_first_use_case_of_params_is_served(folder: Path) -> None:
    (folder / "params.yaml").write_text("use_cases: [melons, pears]\n")
    hold(folder, "pears")
    settings = Settings.from_environment()
    assert settings.use_case == "melons"
    assert settings.log_address == f"sqlite:///{folder / '.state' / 'log' / 'melons.db'}"


def test_the_variable_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTFOLIO_USE_CASE", "pears")
    (folder / "params.yaml").write_text("use_cases: [melons]\n")
    assert Settings.from_environment().use_case == "pears"


def test_without_params_the_only_use_case_in_the_store_is_served(folder: Path) -> None:
    hold(folder, "pears")
    assert Settings.from_environment().use_case == "pears"


@pytest.mark.parametrize("held", [(), ("melons", "pears")])
def test_where_there_is_no_telling_the_use_case_must_be_set(folder: Path, held: tuple[str, ...]) -> None:
    hold(folder, *held)
    with pytest.raises(ConfigError, match=r"Set PORTFOLIO_USE_CASE to the use case to serve") as raised:
        Settings.from_environment()
    assert all(name in str(raised.value) for name in held)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORTFOLIO_USE_CASE", "../etc"),
        ("SERVING_MAX_ROWS", "0"),
        ("SERVING_MAX_ROWS", "many"),
        ("SERVING_MAX_BODY_BYTES", "-1"),
        ("SERVING_POLL_SECONDS", "nan"),
        ("SERVING_TIMEOUT_SECONDS", "0"),
        ("SERVING_TIMEOUT_SECONDS", "1e-9"),
        ("SERVING_ACCESS_LOG", "perhaps"),
    ],
)
def test_nonsense_is_named_at_the_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=f"{name}='{value}'"):
        Settings.from_environment()


def test_a_setting_that_there_is_not_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVING_MAX_ROW", "10")
    with pytest.raises(ConfigError, match=r"SERVING_MAX_ROW\b.*SERVING_MAX_ROWS"):
        Settings.from_environment()


def test_keys_are_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVING_API_KEYS", f"{'a' * 64}, {'b' * 64}")
    assert Settings.from_environment().api_keys == ("a" * 64, "b" * 64)


@pytest.mark.parametrize("name", ["SERVING_API_KEYS", "SERVING_ADMIN_KEYS"])
@pytest.mark.parametrize("value", ["a-secret", "0" * 63, f"{'a' * 64},a-secret"])
def test_a_key_where_its_hash_belongs_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=rf"{name}.*api-key") as fault:
        Settings.from_environment()
    assert value not in str(fault.value)
    assert "secret" not in str(fault.value)


@pytest.mark.parametrize("name", ["SERVING_API_KEYS", "SERVING_ADMIN_KEYS"])
@pytest.mark.parametrize("value", ["", ",", " , "])
def test_a_list_of_keys_that_holds_none_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=rf"{name}.*holds no key"):
        Settings.from_environment()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SERVING_PORT", "tcp://10.0.0.1:8000"),
        ("SERVING_SERVICE_HOST", "10.0.0.1"),
        ("SERVING_SERVICE_PORT", "8000"),
        ("SERVING_SERVICE_PORT_HTTP", "8000"),
        ("SERVING_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("SERVING_PORT_8000_TCP_PROTO", "tcp"),
        ("SERVING_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("SERVING_LOG_DB_SERVICE_HOST", "10.0.0.2"),
        ("SERVING_LOG_DB_PORT", "tcp://10.0.0.2:5432"),
        ("SERVING_LOG_DB_PORT_5432_TCP_PORT", "5432"),
    ],
)
def test_what_kubernetes_sets_for_a_service_is_no_setting(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    hold(folder, "pears")
    monkeypatch.setenv(name, value)
    assert Settings.from_environment().use_case == "pears"


def test_a_port_that_is_meant_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVING_PORT", "9000")
    with pytest.raises(ConfigError, match=r"SERVING_PORT.*--port or PORT"):
        Settings.from_environment()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SERVING_ROOT_PATH", "house"),
        ("SERVING_ROOT_PATH", "/house/"),
        ("SERVING_FRAME_ANCESTORS", "'self'; script-src *"),
        ("SERVING_SHUTDOWN_DELAY_SECONDS", "-1"),
        ("SERVING_LOG_KEEP_DAYS", "0"),
        ("SERVING_LOG_KEEP_DAYS", "36501"),
        ("SERVING_LOG_KEEP_DAYS", "1e12"),
        ("SERVING_LOG_KEEP_DAYS", "inf"),
    ],
)
def test_nonsense_for_a_proxy_or_a_page_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=name):
        Settings.from_environment()


def test_an_origin_has_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVING_CORS_ORIGINS", "shop.example")
    with pytest.raises(ConfigError, match="SERVING_CORS_ORIGINS"):
        Settings.from_environment()
