"""The servers that a training needs are killed in the middle of it: it goes on, or says why not and goes on later."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path

import yaml

from bench.reliability import toy
from bench.reliability.flows import Flow, trained
from bench.reliability.steps import aftermath
from bench.rows import Row, console
from bench.server import Server, free_port
from portfolio.core.paths import Paths
from tests.workspace import TOY

STAGE = f"train@{TOY}"
"""In its middle."""
# As long as `portfolio live` takes to start one again.
AWAY_SECONDS = 3.0
# Prefect's client asks again for a minute, each time that a flow says something at its end.
END_SECONDS = 360.0


def servers_killed(work: Path, *, back: Collection[bool] = (True, False)) -> list[Row]:
    """Prefect's and MLflow's server are killed in the middle of a training."""
    rows = []
    for name, start in (("Prefect's server", _prefect), ("MLflow's server", _mlflow)):
        for returns in back:
            folder = work / f"{name.split()[0]}-{returns}"
            folder.mkdir()
            rows += _killed(folder, name, start, back=returns)
    return rows


Start = Callable[[ExitStack, Path, int], Server]


def _prefect(stack: ExitStack, project: Path, port: int) -> Server:
    return stack.enter_context(toy.prefect_server(project.parent.parent, port))


def _mlflow(stack: ExitStack, project: Path, port: int) -> Server:
    command = [sys.executable, "-m", "portfolio", "mlflow", "--port", str(port)]
    log, variables = project.parent / "mlflow.log", toy.environment(project)
    seconds = toy.START_SECONDS
    server = Server(command, port, log, ready_path="/health", cwd=project, variables=variables, start_seconds=seconds)
    stack.callback(server.stop)
    return server


def _killed(work: Path, name: str, start: Start, *, back: bool) -> list[Row]:
    """One of them, which comes back or doesn't."""
    project = toy.copy(trained(), work / "project")
    _forget_network(project)
    with ExitStack() as stack:
        prefect, mlflow = free_port(), free_port()
        ports: dict[Start, int] = {_prefect: prefect, _mlflow: mlflow}
        servers = {each: each(stack, project, port) for each, port in ports.items()}
        tracking = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{mlflow}"}
        flow = Flow(
            "training", {"use_case": TOY}, project, work / "run.log", f"http://127.0.0.1:{prefect}/api", tracking
        )
        began = 0.0
        with flow.begun() as (process, told):
            for line in told:
                if line == f"begin {STAGE}\n":
                    time.sleep(AWAY_SECONDS)
                    servers[start].kill()
                    began = time.monotonic()
                    if back:
                        time.sleep(AWAY_SECONDS)
                        start(stack, project, ports[start])
        seconds, said = time.monotonic() - began, flow.log.read_text()
        ended = process.returncode
        if not back:
            start(stack, project, ports[start])
        if ended:
            flow.run()
    what = f"{name} killed in a training, and started again" if back else f"{name} killed in a training"
    rows = [Row(f"{what}: the run succeeds", ended == 0, "", at_least=1 if back else None)]
    if ended:
        console.print(f"  {what}: {said[-600:]}", markup=False)
        rows += [
            Row(f"{what}: the run says what is wrong, without a traceback", _is_clear(said), "", at_least=1),
            Row(f"{what}: the run ends after", seconds, "s", at_most=END_SECONDS),
        ]
    found = aftermath(project, toy.differing(toy.results(project), toy.results(trained())))
    return rows + [Row(f"{what}: {row.name}", row.value, row.unit, row.at_most, row.at_least) for row in found]


def _forget_network(project: Path) -> None:
    """The network is to be trained again, and nothing else."""
    cache = project / ".dvc" / "cache"
    trained_before = yaml.safe_load((project / "dvc.lock").read_text())["stages"][STAGE]["outs"]
    kept = [cache / "files" / "md5" / out["md5"][:2] / out["md5"][2:] for out in trained_before]
    for path in (*kept, cache / "runs", project / Paths(TOY).models / "network", project / ".state" / "checkpoints"):
        toy.remove(path)


def _is_clear(said: str) -> bool:
    return "Error:" in said and "Traceback" not in said
