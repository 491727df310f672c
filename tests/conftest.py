"""What the tests share: folders in which every stage, or the whole loop, was run once; an environment of their own."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from portfolio.bundle.store import Store
from tests.checkouts import checkout, run_in
from tests.workspace import ROOT, TOY, build_in, environment_kept, make_workspace

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

# What `make test` tells the makes that are started inside it; here they are started as from a shell.
for variable in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
    os.environ.pop(variable, None)
# For this run alone, and not for those that tests start in other projects.
FAIL_ON_SKIPS = os.environ.pop("FAIL_ON_SKIPS", "")
# Ignored where these tests were started in the background; and so they would be by all that is started here.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)


LONG = [("pipelines",), ("training",), ("registry",)]
"""Folders whose tests take long."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that take longest come first, so that none is left when all others are done.

    They are those of the whole project; of the rooms that train, or start Prefect; and of the server, a browser before
    it, which lie deepest.
    """

    def place(item: pytest.Item) -> tuple[bool, bool, int]:
        folders = item.path.relative_to(ROOT).parts[1:-1]
        return bool(folders), folders not in LONG, -len(folders)

    items.sort(key=place)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With FAIL_ON_SKIPS in the environment, a skipped test counts as a failed one."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    # A process of pytest-xdist has none; the one that started it counts for all.
    if FAIL_ON_SKIPS and reporter is not None and (skipped := reporter.stats.get("skipped")):
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
        reporter.write_line(f"FAIL_ON_SKIPS is set, and {len(skipped)} tests were skipped (-rs names them)", red=True)


@pytest.fixture(scope="session", autouse=True)
def own_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One that pytest deletes: what is killed, and each process of pytest-xdist, leaves its temporary files behind."""
    folder = tmp_path_factory.mktemp("of-processes")
    with environment_kept(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        os.environ["TMPDIR"] = str(folder)
        yield


@pytest.fixture(scope="module", autouse=True)
def short_collections() -> None:
    """What is there by now, such as a million objects of torch, is not searched for cycles again and again."""
    gc.freeze()


@pytest.fixture(scope="session")
def first_shell(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of somebody who has just cloned a repository: nothing leads to this checkout's code."""
    of_this_run = ("PYTEST", "PORTFOLIO_STATE", "PORTFOLIO_USE_CASE", "PREFECT_API", "MLFLOW_")
    of_this_checkout = ("PYTHONPATH", "VIRTUAL_ENV", "VENV", "USE_CASE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(of_this_run + of_this_checkout)}
    # As it was before pytest set it: what lies deep in this run's folder is too long a name for a socket.
    return kept | {"TMPDIR": str(tmp_path_factory.getbasetemp().parent.parent)}


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    with environment_kept():
        yield


@pytest.fixture
def unaudited(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is drawn to be audited: the same question, asked twice, has one answer."""
    monkeypatch.setattr("serving.protocols.answers.random", lambda: 1.0)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("PORTFOLIO_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PORTFOLIO_USE_CASE", TOY)
    return Store.of(TOY)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with use cases, and nothing else, as the current folder."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    make_workspace(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PORTFOLIO_STATE", str(folder / ".state"))
    return folder


@pytest.fixture(scope="session")
def common_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary folder that all processes of this run have in common."""
    base = tmp_path_factory.getbasetemp()
    common = (base.parent if hasattr(request.config, "workerinput") else base) / "built"
    common.mkdir(exist_ok=True)
    return common


@pytest.fixture(scope="session")
def built_once(common_folder: Path) -> Callable[[str], Path]:
    """A folder in which a use case was collected and every stage was run, quickly. Not to be changed."""
    return lambda use_case: made_once(common_folder / use_case, lambda folder: build_in(folder, use_case))


@pytest.fixture(scope="session")
def looped_once(common_folder: Path) -> Callable[[], Path]:
    """A repository with all use cases, in which the loop has run on the toy. Not to be changed; a copy works alike."""

    def loop(folder: Path) -> None:
        run_in(checkout(folder), "portfolio", "run", TOY)

    return lambda: made_once(common_folder / "looped", loop)


FAILED: dict[Path, Exception] = {}
"""Of what this process has failed to make."""


def made_once(folder: Path, make: Callable[[Path], object]) -> Path:
    """A folder that one of the processes of this run fills, while the others wait."""
    done = folder.with_suffix(".done")
    with FileLock(folder.with_suffix(".lock")):
        if folder in FAILED:
            raise FAILED[folder]
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            try:
                make(folder)
            except Exception as error:
                FAILED[folder] = error
                raise
            done.touch()
    return folder


@pytest.fixture
def built(built_once: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A copy of such a folder of one's own, as the current folder."""

    def copy(use_case: str) -> Path:
        folder = tmp_path / "built"
        shutil.copytree(built_once(use_case), folder)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("PORTFOLIO_STATE", str(folder / ".state"))
        return folder

    return copy


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with its tables, which take seconds to make, and nothing in them."""
    folder = tmp_path_factory.mktemp("mlflow")
    with environment_kept():
        os.environ["PORTFOLIO_STATE"] = str(folder)
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        from portfolio.registry.tracking import client

        client().search_experiments()
    return folder / "mlflow" / "mlflow.db"


@pytest.fixture
def mlflow(empty_mlflow: Path, built: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """A client of an empty MLflow of one's own, beside the toy use case with all its stages run."""
    folder = built(TOY) / ".state" / "mlflow"
    folder.mkdir()
    shutil.copyfile(empty_mlflow, folder / "mlflow.db")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    from portfolio.registry.tracking import client

    return client()
