"""Where everything local lives, and the environment of the tools that run beside us, without telemetry."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path

from portfolio.core.errors import ConfigError

# A hundred years: what is older than the calendar's first day has no date.
MAX_KEEP_DAYS = 36_500
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def state_folder() -> Path:
    """`.state` here, or what PORTFOLIO_STATE names; a variable that is empty names nothing."""
    return Path(os.environ.get("PORTFOLIO_STATE") or ".state").absolute()


def sqlite_address(path: Path, driver: str = "sqlite") -> str:
    """A database file's address. SQLAlchemy takes ? and % in it for its own, which a path from here may do without.

    Raises ConfigError if that has them, too.
    """
    place = str(path)
    if re.search("[?%]", place):
        place = os.path.relpath(path)
    if re.search("[?%]", place):
        raise ConfigError(f"No database can lie in {place}: name its folder without ? and % (see PORTFOLIO_STATE).")
    return f"{driver}:///{place}"


def print_what_fits() -> None:
    """Let Python print `?` for what the encoding of the output lacks, as ascii and cp932 do, rather than fail."""
    # The other stream does so by itself.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def local_environment() -> None:
    """Set what is not set yet, or is empty, before Prefect, DVC or MLflow is imported."""
    settings = {
        "DO_NOT_TRACK": "true",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # Runs on a schedule, and what they said, would add up for ever.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(30 * 24 * 3600),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        # An address for each run, between the flow's own lines.
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        # Its own seven tries of a server that is down take minutes, without a word. The flow tries again, and says so.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "DVC_NO_ANALYTICS": "1",
        "PREFECT_HOME": str(state_folder() / "prefect"),
        # The flow shows its steps itself; Prefect's own lines, with their tracebacks, are in its API and pages.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    }
    os.environ.update({key: value for key, value in settings.items() if not os.environ.get(key)})
    # For what is started in another folder.
    os.environ["PORTFOLIO_STATE"] = str(state_folder())
    _loopback_without_proxy()
    # Prefect makes this folder, but not its parents.
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)
    # The stages' commands name `portfolio`: it stands beside the interpreter, also in an inactive environment.
    beside = str(Path(sys.executable).parent)
    if beside not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([beside, os.environ.get("PATH", "")])


def _loopback_without_proxy() -> None:
    """A proxy would look for the servers of this machine on its own."""
    for name in ("no_proxy", "NO_PROXY"):
        named = [host.strip() for host in os.environ.get(name, "").split(",") if host.strip()]
        os.environ[name] = ",".join(dict.fromkeys([*named, *LOOPBACK]))


def check_proxies() -> None:
    """Raise ConfigError if the environment has a proxy or certificates with which Prefect's client can't be made.

    It makes the way through the proxy before it looks whom it asks, and of what is wrong then nobody is told.
    """
    import httpx

    try:
        httpx.Client().close()
    except (ValueError, ImportError, OSError) as error:
        raise ConfigError(
            f"The proxy or the certificates of this environment can't be used ({error}). Correct, or unset here, "
            "http_proxy, https_proxy, all_proxy, SSL_CERT_FILE and SSL_CERT_DIR."
        ) from error
