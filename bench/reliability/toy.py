"""A project of its own with the tests' small use case alone, whose training takes seconds, and runs in it."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, chdir, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil
import yaml

from bench.reliability.asking import call
from bench.server import Server, free_port, portfolio_server
from pipelines.server import own_environment
from portfolio.core.environment import local_environment
from portfolio.core.paths import Paths
from portfolio.monitoring.looks import Look, Looks
from tests.checkouts import checkout_of_one, committed
from tests.workspace import TOY, edit_config, environment_kept

# A bound for what hangs; on a machine that is busy, a training takes minutes.
RUN_SECONDS = 1800
# Prefect makes its tables at the first start.
START_SECONDS = 400
AUDIT_SHARE = 0.5
OF_THIS_RUN = ("PORTFOLIO_STATE", "PREFECT_HOME", "PREFECT_API_URL", "MLFLOW_TRACKING_URI", "SERVING_WORKERS")


@cache
def untrained() -> Path:
    """A checkout in which nothing has been collected. Not to be changed."""
    folder = checkout_of_one(temporary() / "untrained")
    with chdir(folder):
        # Batches of any day are good, and many true labels are asked for.
        edit_config(TOY, collect={"until": None}, value={"audit_share": AUDIT_SHARE})
    return committed(folder)


@cache
def temporary() -> Path:
    """A folder that is gone when this process ends."""
    # Not under .state: these are projects with a .state of their own.
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def copy(project: Path, folder: Path) -> Path:
    return Path(shutil.copytree(project, folder, symlinks=True))


def remove(path: Path) -> None:
    """A file or a folder."""
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def environment(folder: Path, **more: str) -> dict[str, str]:
    """For commands in a project: its own code, its own state, no server that this process knows of."""
    own = {key: value for key, value in os.environ.items() if key not in OF_THIS_RUN}
    beside = Path(sys.executable).parent
    return own | {
        "PATH": f"{beside}{os.pathsep}{own.get('PATH', '')}",
        "PYTHONPATH": f"{folder / 'src'}{os.pathsep}{folder}",
        "PORTFOLIO_STATE": str(folder / ".state"),
        **more,
    }


def start(folder: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """Start `portfolio ...` in a project; all that it says comes from its standard output."""
    return subprocess.Popen(
        [sys.executable, "-m", "portfolio", *arguments],
        cwd=folder,
        env=environment(folder, **more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The same, and wait for its end."""
    with start(folder, *arguments, **more) as process:
        try:
            told, _ = process.communicate(timeout=RUN_SECONDS)
        finally:
            process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, told)


@contextmanager
def prefect_server(work: Path, port: int | None = None, **more: str) -> Iterator[Server]:
    """A server of Prefect that outlives the runs on it, as `portfolio live` has one; its address is `url` + /api."""
    port = port or free_port()
    folder = work / "prefect-server"
    folder.mkdir(parents=True, exist_ok=True)
    with environment_kept():
        for name in OF_THIS_RUN:
            os.environ.pop(name, None)
        os.environ["PORTFOLIO_STATE"] = str(folder)
        local_environment()
        variables = own_environment(os.environ) | more
    command = [sys.executable, "-m", "pipelines.server", str(port), "--pages"]
    log, path = folder / "server.log", "/api/health"
    server = Server(command, port, log, ready_path=path, variables=variables, start_seconds=START_SECONDS)
    try:
        yield server
    finally:
        server.stop()


@cache
def prefect() -> str:
    """The API of a server of Prefect for all items that need no server of their own."""
    lasting = ExitStack()
    atexit.register(lasting.close)
    return f"{lasting.enter_context(prefect_server(temporary())).url}/api"


def results(folder: Path) -> dict[str, str]:
    """The digests of all that trainings have made, by what they are of."""
    stages = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]
    found = {
        out["path"]: out["md5"] for name, stage in stages.items() if name.endswith(f"@{TOY}") for out in stage["outs"]
    }
    for path in (Paths(TOY).batches, Paths(TOY).champion):
        (out,) = yaml.safe_load((folder / f"{path}.dvc").read_text())["outs"]
        found[str(path)] = out["md5"]
    # Which tells times that were measured.
    del found[str(Paths(TOY).report)]
    found["what is served"] = champion(folder)
    found["registered versions"] = json.dumps(versions(folder))
    return found


def champion(folder: Path) -> str:
    """The digest of what is served."""
    return str(json.loads((folder / ".state" / "store" / TOY / "champion.json").read_text())["digest"])


def versions(folder: Path) -> list[int]:
    """The numbers of the registered versions, oldest first."""
    return [int(number) for (number,) in _records(folder, "SELECT version FROM model_versions ORDER BY version")]


def champions(folder: Path) -> list[int]:
    """The versions that were champion, the oldest first, as the registry remembers them."""
    ((told,),) = _records(folder, "SELECT value FROM registered_model_tags WHERE key = 'champions'")
    found: list[int] = json.loads(told)
    return found


def unfinished_records(folder: Path) -> int:
    """MLflow's runs that nobody will end any more."""
    return len(_records(folder, "SELECT 1 FROM runs WHERE status = 'RUNNING' AND lifecycle_stage = 'active'"))


def _records(folder: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(folder / ".state" / "mlflow" / "mlflow.db")) as registry:
        return registry.execute(query).fetchall()


def differing(found: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))


def left_processes(folder: Path) -> list[psutil.Process]:
    """Processes that work in a project."""
    found = []
    for process in psutil.process_iter():
        try:
            place = Path(process.cwd())
        except (psutil.Error, OSError):
            continue
        if place.is_relative_to(folder) and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def left_files(folder: Path) -> list[str]:
    """Files that were begun and never finished."""
    found = [path for path in folder.rglob("*") if path.suffix in (".partial", ".tmp", ".earlier")]
    return sorted(str(path.relative_to(folder)) for path in found if ".git" not in path.relative_to(folder).parts)


@dataclass(frozen=True)
class Asked:
    """What a server was asked, and told."""

    rows: int
    labels: int
    request_id: str


@contextmanager
def served(project: Path) -> Iterator[str]:
    """The address of a server of the project's champion."""
    variables = environment(project)
    with portfolio_server(project / ".state", use_case=TOY, cwd=project, variables=variables) as server:
        yield server.url


def rows(count: int, seed: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Such melons as the training rows are, and whether they are ripe."""
    random = np.random.default_rng([17, seed])
    weight, yellow = random.uniform(0.5, 3, count), random.integers(0, 2, count)
    ripe = weight + yellow + random.normal(0, 0.3, count) > 2
    inputs = [
        {"weight": w, "colour": ("green", "yellow")[y]} for w, y in zip(weight.tolist(), yellow.tolist(), strict=True)
    ]
    return inputs, [("unripe", "ripe")[label] for label in ripe.astype(int).tolist()]


def ask(url: str, inputs: list[dict[str, Any]], labels: list[str], *, wanted: bool = True) -> Asked:
    """Ask a server about rows, and send the labels of those that it asks for; or of those that it does not ask for."""
    answer = _post(f"{url}/predict", {"instances": inputs})
    is_wanted = [one["decision"] == "person" or one.get("audit", False) for one in answer["predictions"]]
    told = [{"row": row, "label": label} for row, label in enumerate(labels) if is_wanted[row] == wanted]
    if told:
        _post(f"{url}/feedback", of_request(answer["request_id"], told))
    return Asked(len(inputs), len(told), answer["request_id"])


def of_request(request_id: str, labels: list[dict[str, Any]]) -> dict[str, Any]:
    """A body of labels."""
    return {"labels": [{"request_id": request_id, **label} for label in labels]}


def _post(url: str, content: dict[str, Any]) -> Any:
    status, answer, _ = call(url, json.dumps(content).encode())
    if status >= 300:
        raise RuntimeError(f"{url} answered {status}: {answer}")
    return answer


def logged_rows(project: Path) -> int:
    """Answers in the prediction log."""
    return _logged(project, "SELECT coalesce(sum(rows), 0) FROM predictions")


def logged_looks(project: Path) -> int:
    """All looks, those that are still to come too, which our own code takes for those of a clock that was ahead."""
    return _logged(project, "SELECT count(*) FROM looks")


def _logged(project: Path, query: str) -> int:
    with closing(sqlite3.connect(project / ".state" / "log" / f"{TOY}.db")) as log:
        return int(log.execute(query).fetchone()[0])


def looks(project: Path) -> list[Look]:
    """Of the monitor, oldest first."""
    found = Looks(f"sqlite:///{project / '.state' / 'log' / f'{TOY}.db'}")
    try:
        return found.last(100_000)[::-1]
    finally:
        found.close()


def write_rows(path: Path, count: int) -> None:
    """A file of rows to be scored."""
    inputs, _ = rows(count, seed=0)
    keys = [f"melon-{number:07d}" for number in range(count)]
    pl.DataFrame(inputs).with_columns(pl.Series("melon", keys)).write_parquet(path)


def inside(project: Path, module: str, *arguments: str, **more: str) -> Any:
    """Run a module of this package in a project, with the project's own code; gives the JSON of its last line."""
    command = [sys.executable, "-m", f"bench.reliability.{module}", *arguments]
    done = subprocess.run(command, cwd=project, env=environment(project, **more), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{module} ended with {done.returncode}: {done.stdout[-1000:]}{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])
