"""Two workers behind one port answer as one server does: real processes, from `portfolio serve --workers 2`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from portfolio.bundle.store import Store
from portfolio.core.environment import state_folder
from tests.serving.runtime.test_hot_swap import BODY, call, connected, free_port, served_version, wait_until
from tests.tiny import publish, tiny_bundle
from tests.workspace import TOY

WORKERS = 2
PREDICTED = 'portfolio_requests_total{path="/predict",status="200"}'


class Running:
    def __init__(self, process: subprocess.Popen[str], port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def ask(self, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
        """On a connection of its own."""
        with connected(self.port) as connection:
            return call(connection, method, path, body)

    def metrics(self) -> dict[str, float]:
        with connected(self.port) as connection:
            connection.request("GET", "/metrics")
            lines = connection.getresponse().read().decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}

    def is_up(self) -> bool:
        try:
            return self.ask("GET", "/healthz")[0] == 200
        except OSError:
            return False


@contextmanager
def running(*, workers: int = WORKERS, **settings: str) -> Iterator[Running]:
    port = free_port()
    log = state_folder() / "server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "portfolio", "serve", TOY, "--port", str(port), "--workers", str(workers)],
            cwd=log.parent,
            env={**os.environ, "SERVING_KEEP_ALIVE_SECONDS": "60", **settings},
            stderr=stream,
            text=True,
        )
    server = Running(process, port, log)
    try:
        wait_until(lambda: server.is_up() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        wait_until(lambda: log.read_text().count("serving version") >= workers or not list(Store.of(TOY).manifests()))
        yield server
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def one_to_each(server: Running) -> Iterator[list[HTTPConnection]]:
    """A connection to each worker: new ones go to who has fewest."""
    with contextlib.ExitStack() as stack:
        found: dict[int, HTTPConnection] = {}
        deadline = time.monotonic() + 30
        while len(found) < WORKERS:
            assert time.monotonic() < deadline
            connection = stack.enter_context(connected(server.port))
            assert call(connection, "GET", "/healthz")[0] == 200
            found.setdefault(worker_of(server, connection), connection)
        yield list(found.values())


def worker_of(server: Running, connection: HTTPConnection) -> int:
    """The process at the other end."""
    client = connection.sock.getsockname()[1]
    lines = map(str.split, Path("/proc/net/tcp").read_text().splitlines())
    ports = (f"{server.port:04X}", f"{client:04X}")
    # Of those that are open, and once: the file may repeat a line if it changes while it is read.
    (inode,) = {line[9] for line in lines if line[3] == "01" and (line[1][-4:], line[2][-4:]) == ports}
    for pid in server.workers():
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if os.readlink(file) == f"socket:[{inode}]":
                    return pid
    raise AssertionError("no worker has the connection")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PORTFOLIO_STATE", str(folder / "state"))
        publish(Store.of(TOY), folder / "one", version=1)
        with running() as server:
            yield server


def test_new_connections_go_to_who_has_fewest(server: Running) -> None:
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connected(server.port)) for _ in range(20)]
        for connection in connections:
            assert call(connection, "GET", "/healthz")[0] == 200
        shares = Counter(worker_of(server, connection) for connection in connections)
    assert len(shares) == WORKERS
    assert min(shares.values()) >= 7


def test_whichever_worker_is_asked_the_figures_are_of_all(server: Running) -> None:
    before = server.metrics().get(PREDICTED, 0)
    with one_to_each(server) as connections:
        for connection in connections:
            for _ in range(5):
                assert call(connection, "POST", "/predict", BODY)[0] == 200
            found = {call(asked, "GET", "/stats")[1]["predictions"] for asked in connections}
            assert len(found) == 1
        assert server.metrics()[PREDICTED] == before + 5 * WORKERS


def test_a_label_is_judged_whichever_worker_gets_it(server: Running) -> None:
    """Also when the other one has answered a moment ago, and not yet written it to the log."""
    with one_to_each(server) as connections:
        for number in range(20):
            asked, told = connections[number % 2], connections[1 - number % 2]
            request_id = call(asked, "POST", "/predict", BODY)[1]["request_id"]
            label = {"request_id": request_id, "label": "right"}
            status, answer = call(told, "POST", "/feedback", json.dumps(label))
            assert (status, answer.get("stored", answer)["right"]) == (201, True)
        unknown = json.dumps({"request_id": "0" * 32, "label": "right"})
        assert call(connections[0], "POST", "/feedback", unknown)[0] == 404


def test_a_reload_reaches_every_worker(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path / "one", version=1)
    with running(SERVING_POLL_SECONDS="60") as server, one_to_each(server) as connections:
        publish(store, tmp_path / "two", version=2, bias=0.5)
        assert [served_version(connection) for connection in connections] == [1, 1]
        assert call(connections[0], "POST", "/admin/reload", "")[1]["model"]["version"] == 2
        assert [served_version(connection) for connection in connections] == [2, 2]
        bad = tiny_bundle(tmp_path / "bad", 0.1, 3)
        digest = store.publish(bad.folder, bad.manifest).digest
        (store.bundle_folder(digest) / "model.onnx").write_bytes(b"")
        assert "SHA-256" in call(connections[1], "POST", "/admin/reload", "")[1]["last_refusal"]
        assert server.metrics()["portfolio_refusals_total"] == 1


def test_a_worker_that_dies_is_started_again_and_what_it_counted_stays(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path / "one", version=1)
    with running() as server:
        with one_to_each(server) as connections:
            for connection in connections:
                for _ in range(5):
                    call(connection, "POST", "/predict", BODY)
            counted = server.metrics()[PREDICTED]
            first, second = server.workers()
            os.kill(first, signal.SIGKILL)
            wait_until(lambda: first not in server.workers() and len(server.workers()) == 2)
        # The other one goes on, and takes new connections.
        assert server.ask("POST", "/predict", BODY)[0] == 200
        assert second in server.workers()
        wait_until(lambda: server.log.read_text().count("serving version") == 3)
        assert server.metrics()[PREDICTED] == counted + 1
        with one_to_each(server) as connections:
            assert [call(connection, "POST", "/predict", BODY)[0] for connection in connections] == [200, 200]
        lines = [json.loads(line)["message"] for line in server.log.read_text().splitlines()]
        assert f"worker 0 (process {first}) ended by SIGKILL, and is started again" in lines


def test_a_new_worker_without_a_model_leaves_the_requests_to_the_others(store: Store, tmp_path: Path) -> None:
    """The store is out of reach, and a worker dies: the other one has the model in memory."""
    publish(store, tmp_path / "one", version=1)
    with running() as server:
        store.folder.rename(tmp_path / "elsewhere")
        first, _ = server.workers()
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: first not in server.workers() and len(server.workers()) == 2)
        until = time.monotonic() + 3
        while time.monotonic() < until:
            assert server.ask("POST", "/predict", BODY)[0] == 200
            assert server.ask("GET", "/readyz")[0] == 200
        (tmp_path / "elsewhere").rename(store.folder)
        wait_until(lambda: server.log.read_text().count("serving version") == 3)
        with one_to_each(server) as connections:
            assert [call(connection, "POST", "/predict", BODY)[0] for connection in connections] == [200, 200]


@pytest.mark.parametrize(
    ("number", "count"), [(signal.SIGTERM, 2), (signal.SIGINT, 2), (signal.SIGHUP, 2), (signal.SIGHUP, 1)]
)
def test_a_signal_ends_all_and_loses_nothing(store: Store, tmp_path: Path, number: signal.Signals, count: int) -> None:
    publish(store, tmp_path / "one", version=1)
    answered: list[str] = []
    faults: list[Any] = []

    def ask(server: Running) -> None:
        try:
            with connected(server.port) as connection:
                while connection.sock is not None or not answered[8:]:
                    status, answer = call(connection, "POST", "/predict", BODY)
                    answered.append(answer["request_id"])
                    if status != 200:
                        faults.append(answer)
        except Exception as error:
            faults.append(error)

    with running(workers=count) as server:
        workers = server.workers()
        clients = [threading.Thread(target=ask, args=[server]) for _ in range(8)]
        for client in clients:
            client.start()
        wait_until(lambda: len(answered) > 200)
        server.process.send_signal(number)
        assert server.process.wait(timeout=20) == 0
        for client in clients:
            client.join()
        assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert faults == []
    with closing(sqlite3.connect(state_folder() / "log" / f"{TOY}.db")) as log:
        assert {request_id for (request_id,) in log.execute("SELECT request_id FROM predictions")} == set(answered)


@pytest.mark.parametrize("count", [1, 2])
def test_with_nohup_the_end_of_the_terminal_is_not_its_own(store: Store, tmp_path: Path, count: int) -> None:
    publish(store, tmp_path / "one", version=1)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # inherited, as nohup does it
    try:
        with running(workers=count) as server:
            for pid in (server.process.pid, *server.workers()):
                (ignored,) = re.findall(r"^SigIgn:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
                assert int(ignored, 16) & 1 << (signal.SIGHUP - 1)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_with_standard_error_closed_it_serves(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path / "one", version=1)
    port = free_port()
    command = f'exec "{sys.executable}" -m portfolio serve {TOY} --port {port} 2>&-'
    process = subprocess.Popen(["sh", "-c", command], cwd=state_folder())
    server = Running(process, port, tmp_path / "none")  # type: ignore[arg-type]
    try:
        wait_until(lambda: process.poll() is not None or server.is_up())
        assert process.poll() is None
        # What a library writes there must not come to a client or into a file.
        assert os.readlink(f"/proc/{process.pid}/fd/2") == os.devnull
        assert server.ask("POST", "/predict", "{")[0] == 422
        assert server.ask("POST", "/predict", BODY)[0] == 200
        process.terminate()
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()


def test_a_worker_that_is_stuck_holds_up_neither_the_others_nor_the_end(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path / "one", version=1)
    with running() as server:
        stuck = server.workers()[0]
        os.kill(stuck, signal.SIGSTOP)
        for _ in range(5):
            assert server.ask("POST", "/predict", BODY)[0] == 200
        assert server.metrics()[PREDICTED] == 5
        started = time.monotonic()
        server.process.terminate()
        assert server.process.wait(timeout=30) != 0
        assert time.monotonic() - started < 15
        assert not Path(f"/proc/{stuck}").exists()


def test_a_worker_that_is_asked_to_end_is_replaced(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path / "one", version=1)
    with running() as server:
        old = server.workers()
        os.kill(old[1], signal.SIGTERM)
        wait_until(lambda: old[1] not in server.workers() and len(server.workers()) == 2)
        wait_until(lambda: server.log.read_text().count("serving version") == 3)
        with one_to_each(server) as connections:
            assert [call(connection, "POST", "/predict", BODY)[0] for connection in connections] == [200, 200]


def test_the_supervisor_lives_on_where_nobody_reads_what_it_says(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path / "one", version=1)
    with running() as server:
        # As where the reader of a pipe has ended.
        other = free_port()
        reading, writing = os.pipe()
        command = [sys.executable, "-m", "portfolio", "serve", TOY, "--port", str(other), "--workers", "2"]
        process = subprocess.Popen(command, cwd=state_folder(), stderr=writing)
        os.close(writing)
        os.close(reading)
        deaf = Running(process, other, server.log)
        try:
            wait_until(deaf.is_up)
            wait_until(lambda: len(deaf.workers()) == 2)
            first = deaf.workers()[0]
            os.kill(first, signal.SIGKILL)
            wait_until(lambda: first not in deaf.workers() and len(deaf.workers()) == 2)
            assert deaf.ask("POST", "/predict", BODY)[0] == 200
        finally:
            process.terminate()
            assert process.wait(timeout=30) == 0


def test_without_the_supervisor_the_workers_end_too(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path / "one", version=1)
    with running() as server:
        workers = server.workers()
        server.process.kill()
        server.process.wait()
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def test_before_the_first_champion_all_say_so_and_then_all_serve_it(store: Store, tmp_path: Path) -> None:
    with running() as server, one_to_each(server) as connections:
        assert [call(connection, "GET", "/readyz")[0] for connection in connections] == [503, 503]
        publish(store, tmp_path / "one", version=1)
        wait_until(lambda: call(connections[0], "GET", "/readyz")[0] == 200)
        # Ready is said only once both can answer.
        assert [call(connection, "POST", "/predict", BODY)[0] for connection in connections] == [200, 200]


def test_what_is_wrong_is_said_once(store: Store, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "portfolio", "serve", TOY, "--port", str(free_port()), "--workers", "2"]
    environment = {**os.environ, "SERVING_LOG_URL": "mysql://x"}
    state_folder().mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command, cwd=state_folder(), env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("mysql") == 1
    assert "Traceback" not in done.stderr
