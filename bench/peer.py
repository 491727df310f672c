"""The servers that are compared: how each is installed, started and asked, and where its answer is.

Each runs as its documentation starts it, with one worker, and does the inference on one thread.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.rows import ROOT
from bench.server import Server, free_port
from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import MODEL_NAME, tensor_names
from portfolio.bundle.store import Store

PEERS = Path(__file__).parent / "peers"
ENVIRONMENTS = ROOT / ".state" / "bench"
OURS = "this project"
LOGGING = f"{OURS}, a log line for each request"

Rows = list[list[float]]
"""What is asked: for each row the values of its image."""


@dataclass(frozen=True)
class Peer:
    """A server of an image classifier.

    `command` gets the environment's `bin` folder, the port, and a folder of the run's own; `body` gets the name of the
    image's field, and the rows.
    """

    name: str
    requirements: str
    """A file of bench/peers; empty for what runs in our own environment."""
    command: Callable[[Path, int, Path], list[str]]
    path: str
    body: Callable[[str, Rows], Any]
    probabilities: Callable[[Any], Rows]
    ready_path: str = "/docs"
    variables: Callable[[int, Path], dict[str, str]] = lambda port, folder: {}

    @property
    def is_ours(self) -> bool:
        return self.name.startswith(OURS)

    def start(self, bundle: Bundle, folder: Path, cpu: int) -> Server:
        """Raises RuntimeError or CalledProcessError if it can't be installed or does not answer."""
        port = free_port()
        (field,), (tensor,) = bundle.manifest.inputs, tensor_names(1)
        common = {
            "MODEL": str((bundle.folder / MODEL_NAME).absolute()),
            "MODEL_FIELD": field.name,
            "MODEL_TENSOR": tensor,
            "MODEL_WIDTH": str(field.width),
            "PORT": str(port),
            "PYTHONPATH": str(PEERS),
            "OMP_NUM_THREADS": "1",
            "DO_NOT_TRACK": "true",
            "BENTOML_DO_NOT_TRACK": "True",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        if self.is_ours:
            use_case = bundle.manifest.use_case
            common |= {"PORTFOLIO_STATE": str(folder), "PORTFOLIO_USE_CASE": use_case, "PYTHONPATH": ""}
            Store(folder / "store" / use_case).publish(
                bundle.folder, bundle.manifest.model_copy(update={"lineage": _version_one(bundle)})
            )
        variables = {**common, **self.variables(port, folder)}
        binaries = environment(self.requirements)
        if self.name.startswith("mlflow"):
            subprocess.run(
                [binaries / "python", PEERS / "mlflow_model.py", folder / "model"],
                env={**os.environ, **variables},
                check=True,
                capture_output=True,
            )
        command = self.command(binaries, port, folder)
        path = os.pathsep.join([str(binaries), os.environ["PATH"]])
        return Server(
            command,
            port,
            folder / "server.log",
            cpu=cpu,
            ready_path=self.ready_path,
            cwd=ROOT if self.is_ours else folder,
            variables={**variables, "PATH": path},
        )


def _version_one(bundle: Bundle) -> Any:
    return bundle.manifest.lineage.model_copy(update={"model_version": 1})


def environment(requirements: str) -> Path:
    """The `bin` folder of an environment with these requirements, made where it is missing or they have changed."""
    if not requirements:
        return Path(sys.executable).parent
    wanted = (PEERS / requirements).read_text()
    folder = ENVIRONMENTS / Path(requirements).stem
    stamp = folder / "installed"
    if not stamp.exists() or stamp.read_text() != wanted:
        uv = [str(Path(sys.executable).parent / "uv"), "--no-config", "--quiet"]
        # uv has a name of its own for the folder of wheels that pip is told of.
        found = {"UV_FIND_LINKS": os.environ["PIP_FIND_LINKS"]} if os.environ.get("PIP_FIND_LINKS") else {}
        install = [*uv, "pip", "install", "--python", str(folder / "bin" / "python"), "-r", str(PEERS / requirements)]
        for command in ([*uv, "venv", "--clear", "--python", sys.executable, str(folder)], install):
            result = subprocess.run(command, env={**found, **os.environ}, capture_output=True, text=True)
            if result.returncode:
                raise RuntimeError(f"{requirements} can't be installed: {result.stderr.strip()[-500:]}")
        stamp.write_text(wanted)
    return folder / "bin"


def versions(requirements: str) -> list[str]:
    """What it was installed from."""
    return (PEERS / requirements).read_text().split() if requirements else []


def _instances(field: str, rows: Rows) -> Any:
    return {"instances": [{field: row} for row in rows]}


def _tensors(field: str, rows: Rows) -> Any:
    flat = [value for row in rows for value in row]
    return {"inputs": [{"name": field, "shape": [len(rows), len(rows[0])], "datatype": "FP32", "data": flat}]}


def _of_tensors(answer: Any) -> Rows:
    (output,) = answer["outputs"]
    rows, width = output["shape"]
    return [output["data"][row * width : (row + 1) * width] for row in range(rows)]


def _uvicorn(application: str) -> Callable[[Path, int, Path], list[str]]:
    """As fast as uvicorn gets: with its loop and parser in C, and without its access log."""
    options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    return lambda binaries, port, folder: [
        *(str(binaries / "python"), "-m", "uvicorn", application),
        *("--host", "127.0.0.1", "--port", str(port)),
        *options,
    ]


def _litserve(binaries: Path, port: int, folder: Path) -> list[str]:
    return [str(binaries / "python"), str(PEERS / "litserve_server.py")]


def _mlserver(binaries: Path, port: int, folder: Path) -> list[str]:
    model = {"name": "model", "implementation": "mlserver_server.Onnx", "parameters": {"version": "1"}}
    (folder / "model-settings.json").write_text(json.dumps(model))
    return [str(binaries / "mlserver"), "start", str(folder)]


def _ours(name: str, variables: dict[str, str]) -> Peer:
    return Peer(
        name,
        "",
        lambda binaries, port, folder: [str(binaries / "portfolio"), "serve", "--port", str(port)],
        "/predict",
        _instances,
        lambda answer: [list(row["probabilities"].values()) for row in answer["predictions"]],
        ready_path="/readyz",
        variables=lambda port, folder: variables,
    )


PEERS_OF_ALL: tuple[Peer, ...] = (
    _ours(OURS, {}),
    _ours(LOGGING, {"SERVING_ACCESS_LOG": "true"}),
    Peer(
        "raw ASGI (the ceiling)",
        "",
        _uvicorn("ceiling_server:app"),
        "/",
        _instances,
        lambda answer: list(answer["probabilities"]),
        ready_path="/",
    ),
    Peer(
        "FastAPI",
        "fastapi.txt",
        _uvicorn("fastapi_server:app"),
        "/predict",
        _instances,
        lambda answer: list(answer["probabilities"]),
    ),
    Peer(
        "LitServe",
        "litserve.txt",
        _litserve,
        "/predict",
        _instances,
        lambda answer: list(answer["probabilities"]),
        ready_path="/health",
        variables=lambda port, folder: {"BATCH": "0"},
    ),
    Peer(
        "LitServe, batching",
        "litserve.txt",
        _litserve,
        "/predict",
        _instances,
        lambda answer: list(answer["probabilities"]),
        ready_path="/health",
        variables=lambda port, folder: {"BATCH": "1"},
    ),
    Peer(
        "mlflow models serve",
        "mlflow.txt",
        lambda binaries, port, folder: [
            *(str(binaries / "mlflow"), "models", "serve", "--model-uri", str(folder / "model")),
            *("--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        ],
        "/invocations",
        lambda field, rows: {"inputs": rows},
        lambda answer: list(answer["predictions"]["probabilities"]),
        ready_path="/ping",
    ),
    Peer(
        "BentoML",
        "bentoml.txt",
        lambda binaries, port, folder: [
            *(str(binaries / "bentoml"), "serve", "bentoml_server:Classifier", "--working-dir", str(PEERS)),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        "/predict",
        lambda field, rows: {"rows": rows},
        lambda answer: list(answer),
        ready_path="/readyz",
        variables=lambda port, folder: {"BENTOML_HOME": str(folder)},
    ),
    Peer(
        "MLServer",
        "mlserver.txt",
        _mlserver,
        "/v2/models/model/infer",
        _tensors,
        _of_tensors,
        ready_path="/v2/models/model/ready",
        variables=lambda port, folder: {
            "MLSERVER_HTTP_PORT": str(port),
            "MLSERVER_GRPC_PORT": str(free_port()),
            "MLSERVER_METRICS_PORT": str(free_port()),
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_PARALLEL_WORKERS": "0",
        },
    ),
)
