"""Our server beside those that people would otherwise pick: `make bench-serving`, or python -m bench.serving [NAME].

All serve the same ONNX model on one core, and wrk asks from the other: the champion of the first use case of
params.yaml, which must be an image classifier. Each server must first give the right answers. Then they take turns of a
few seconds each, for several rounds; medians are compared. Ours runs as `portfolio serve` starts it: with its checks,
prediction log and metrics; and a second time with a log line for each request, which is off by default.

NAME is part of a server's name or of a load's, and there may be several. Then only those are measured, and the
committed figures stay as they are.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich.progress import track
from rich.table import Table

from bench import random_model, wrk
from bench.peer import ENVIRONMENTS, OURS, PEERS_OF_ALL, Peer, versions
from bench.rows import ROOT, Row, console, machine, show, write
from bench.server import Server
from bench.subject import image_champion, one_message
from portfolio.bundle.bundle import Bundle
from portfolio.core.paths import SERVING_BENCH
from portfolio.report.words import number

RESULTS = ROOT / SERVING_BENCH
CEILING = "raw ASGI (the ceiling)"
ROUNDS = 5
SECONDS = 4
# Before each round, so that no one is measured while it wakes.
WARM_SECONDS = 0.5
TOLERANCE = 1e-5
# Of python:3.11-slim-bookworm, for amd64, unpacked.
OFFICIAL_BASE_MIB = 130
MIB = 1024 * 1024


@dataclass(frozen=True)
class Load:
    """What wrk does; `slow` is with the model of some milliseconds."""

    name: str
    connections: int
    rows: int
    slow: bool = False


LOADS = (
    Load("32 connections, 1 row", 32, 1),
    Load("1 connection, 1 row", 1, 1),
    Load("32 connections, 256 rows", 32, 256),
    Load("slow model, 32 connections", 32, 1, slow=True),
)
Measured = dict[str, dict[str, dict[str, Any]]]
"""By server and load: rate, p50_ms, p99_ms, cpu_ms (the processor's time a request) and errors."""


class Trial:
    """One server with one of the models, asked by wrk."""

    def __init__(self, peer: Peer, bundle: Bundle, stack: ExitStack) -> None:
        self.peer = peer
        self._bundle = bundle
        (self._field,) = [field.name for field in bundle.manifest.inputs]
        self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server, load = sorted(os.sched_getaffinity(0))[:2]
        self._load_cpu = load
        # Its first start reads everything from the disk; the second one counts.
        for turn in ("first", "second"):
            folder = self._folder / turn
            folder.mkdir()
            self.server: Server = peer.start(bundle, folder, server)
            if turn == "first":
                self.server.stop()
        stack.callback(self.server.stop)

    def check(self, rows: int) -> None:
        """Raises RuntimeError if it does not give the model's own probabilities."""
        images = self._images(rows)
        expected = self._bundle.predict({self._field: np.array(images, dtype=np.float32)})
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._url, json.dumps(self.peer.body(self._field, images)).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                found = np.array(self.peer.probabilities(json.load(response)))
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"it answers {error.code}: {error.read(500).decode(errors='replace')}") from error
        if found.shape != expected.shape or not np.abs(found - expected).max() <= TOLERANCE:
            raise RuntimeError("its answer is not the model's")

    def run(self, load: Load, seconds: float) -> dict[str, Any]:
        """What wrk says, with the rate."""
        body = self._folder / f"{load.rows}.json"
        if not body.exists():
            body.write_text(json.dumps(self.peer.body(self._field, self._images(load.rows))))
        pinned = ["taskset", "-c", str(self._load_cpu)]
        found = wrk.load(self.server, self.peer.path, body, load.connections, seconds, pinned)
        # What a request costs, however busy the machine is otherwise.
        return {**found, "cpu_ms": found["cpu_seconds"] * 1000 / max(1, found["requests"])}

    @property
    def _url(self) -> str:
        return f"{self.server.url}{self.peer.path}"

    def _images(self, rows: int) -> list[list[float]]:
        golden = self._bundle.manifest.golden_inputs[self._field]
        return [golden[number % len(golden)] for number in range(rows)]


def started(
    peers: list[Peer], bundle: Bundle, loads: list[Load], stack: ExitStack
) -> tuple[list[Trial], dict[str, str]]:
    """The servers that answer correctly, and why the others do not."""
    trials, left_out = [], {}
    for peer in peers:
        with console.status(f"starting {peer.name}"):
            try:
                trial = Trial(peer, bundle, stack)
                for load in loads:
                    trial.check(load.rows)
                trials.append(trial)
            except (RuntimeError, OSError, subprocess.SubprocessError, KeyError, ValueError) as error:
                said = getattr(error, "stderr", b"") or str(error)
                left_out[peer.name] = said.decode(errors="replace")[-1000:] if isinstance(said, bytes) else said
                console.print(f"[red]left out:[/] {peer.name}: {left_out[peer.name]}", soft_wrap=True)
    return trials, left_out


def measure(trials: list[Trial], loads: list[Load]) -> Measured:
    """Every server under every load, in turns."""
    rounds: dict[tuple[str, str], list[dict[str, Any]]] = {}
    turns = [(load, trial) for load in loads for _ in range(ROUNDS) for trial in trials]
    for load, trial in track(turns, description="measuring", console=console):
        trial.run(load, WARM_SECONDS)
        rounds.setdefault((trial.peer.name, load.name), []).append(trial.run(load, SECONDS))
    measured: Measured = {}
    for (server, load_name), found in rounds.items():
        measured.setdefault(server, {})[load_name] = {
            **{key: round(median(one[key] for one in found), 3) for key in ("rate", "p50_ms", "p99_ms", "cpu_ms")},
            "errors": sum(one["errors"] for one in found),
            "rates": [round(one["rate"], 1) for one in found],
        }
    return measured


def compare(measured: Measured, about: dict[str, dict[str, Any]], sizes: tuple[float, float] | None) -> list[Row]:
    """Ours against the aims, as far as both sides were measured: ahead of every other one under every load."""
    rows: list[Row] = []
    many, alone, *_ = (load.name for load in LOADS)

    def ratio(load: str, other: str, at_least: float) -> None:
        ours, theirs = measured.get(OURS, {}).get(load), measured.get(other, {}).get(load)
        if ours and theirs:
            rows.append(Row(f"{load}: rate / {other}", ours["rate"] / theirs["rate"], "x", at_least=at_least))

    # How far ahead, where many ask at once. The ceiling does less than any server has to.
    far = {"LitServe": 3.5, "mlflow models serve": 4, "BentoML": 6}
    ratio(many, CEILING, 0.7)
    for load in LOADS:
        for peer in PEERS_OF_ALL:
            if not peer.is_ours and peer.name != CEILING:
                ratio(load.name, peer.name, far.get(peer.name, 1) if load.name == many else 1)
    if many in measured.get(OURS, {}):
        rows.append(Row(f"{many}: p99", measured[OURS][many]["p99_ms"], "ms", at_most=25))
    if alone in measured.get(OURS, {}):
        rows.append(Row(f"{alone}: p50", measured[OURS][alone]["p50_ms"], "ms", at_most=1))
    if OURS in measured:
        errors = sum(found["errors"] for found in measured[OURS].values())
        rows += [
            Row("failed requests", errors, "", at_most=0),
            Row("startup", about[OURS]["ready_seconds"], "s", at_most=2),
            Row("memory after all load tests", about[OURS]["memory_mib"], "MiB"),
        ]
    if sizes is not None:
        whole, base = sizes
        rows += [
            Row("image", whole, "MiB"),
            Row(
                f"image, on a base of {OFFICIAL_BASE_MIB} MiB like the official one",
                whole - base + OFFICIAL_BASE_MIB,
                "MiB",
                at_most=350,
            ),
        ]
    return rows


def image() -> tuple[float, float] | None:
    """MiB of our image, and of the base that it starts from; None where no Docker engine can build it."""
    if shutil.which("docker") is None:
        return None
    with console.status("building the serving image"):
        build = ["docker", "build", "--quiet", "--file", "serving/Dockerfile", "--target", "serving", "."]
        built = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    if built.returncode:
        console.print(f"[yellow]no size of the image:[/] {built.stderr.strip()[-300:]}", soft_wrap=True)
        return None
    (base,) = re.findall(r"^ARG PYTHON_IMAGE=(.+)$", (ROOT / "serving" / "Dockerfile").read_text(), re.MULTILINE)
    return _image_mib(built.stdout.strip()), _image_mib(base)


def _image_mib(name: str) -> float:
    command = ["docker", "image", "inspect", "--format", "{{.Size}}", name]
    return round(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / MIB, 1)


def show_servers(measured: Measured, about: dict[str, dict[str, Any]], loads: list[Load]) -> None:
    for load in loads:
        table = Table("server", title=load.name)
        for heading in ("requests/s", "p50 ms", "p99 ms", "CPU ms each", "errors"):
            table.add_column(heading, justify="right", no_wrap=True)
        for name, found in measured.items():
            if one := found.get(load.name):
                errors = f"[red]{one['errors']}[/]" if one["errors"] else "0"
                table.add_row(name, *(number(one[key]) for key in ("rate", "p50_ms", "p99_ms", "cpu_ms")), errors)
        console.print(table)
    table = Table("server", title="each")
    for heading in ("seconds to ready", "memory MiB"):
        table.add_column(heading, justify="right")
    for name in measured:
        table.add_row(name, number(about[name]["ready_seconds"]), number(about[name]["memory_mib"]))
    console.print(table)


def main(words: list[str]) -> None:
    wrk.require("taskset")
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("Two cores are needed: one for the server, and one for the load.")
    peers = [peer for peer in PEERS_OF_ALL if any(word in peer.name for word in words)] or list(PEERS_OF_ALL)
    loads = [load for load in LOADS if any(word in load.name for word in words)] or list(LOADS)
    bundle = image_champion()
    sizes = image()
    started_at = time.time()
    measured: Measured = {}
    about: dict[str, dict[str, Any]] = {}
    left_out: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        large = random_model.make(Path(folder) / "large", bundle, widths=random_model.LARGE)
        for model, slow in ((bundle, False), (large, True)):
            wanted = [load for load in loads if load.slow == slow]
            if not wanted:
                continue
            with ExitStack() as stack:
                trials, missing = started(peers, model, wanted, stack)
                left_out |= {f"{name}{', slow model' if slow else ''}": why for name, why in missing.items()}
                for server, found in measure(trials, wanted).items():
                    measured.setdefault(server, {}).update(found)
                for trial in trials:
                    figures = {
                        "ready_seconds": round(trial.server.ready_seconds, 2),
                        "memory_mib": round(trial.server.memory_mib(), 1),
                        "versions": versions(trial.peer.requirements),
                    }
                    about.setdefault(trial.peer.name, figures)
    rows = compare(measured, about, sizes)
    content = {
        "machine": machine(),
        "model": {"digest": bundle.digest, "bytes": bundle.model_bytes},
        "rounds": ROUNDS,
        "seconds_a_round": SECONDS,
        "measured_in_seconds": round(time.time() - started_at),
        "servers": {name: {**about[name], "loads": found} for name, found in measured.items()},
        "left_out": left_out,
        "rows": [row.as_dict() for row in rows],
    }
    show_servers(measured, about, loads)
    show(f"{OURS}: {machine()}, one core for the server, one for the load", rows)
    write(ENVIRONMENTS / RESULTS.name if words else RESULTS, content)


if __name__ == "__main__":
    with one_message():
        main(sys.argv[1:])
