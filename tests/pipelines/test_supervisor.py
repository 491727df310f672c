"""Programs that are kept running: real processes, one of them with a child of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import httpx
import psutil
import pytest

from pipelines import record as record_module
from pipelines.processes import created_at
from pipelines.record import Running, end_all, read_record, what_runs
from pipelines.supervisor import Program, Supervisor
from portfolio.core.errors import PortfolioError
from tests.serving.runtime.test_hot_swap import free_port, wait_until

# Starts a child in its own process group, and serves files.
SERVER = """
import subprocess, sys
from http.server import HTTPServer, SimpleHTTPRequestHandler
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
HTTPServer(("127.0.0.1", int(sys.argv[1])), SimpleHTTPRequestHandler).serve_forever()
"""
KEEPER = """
import sys
from pathlib import Path
from pipelines.supervisor import Program, Supervisor
folder, *ports = sys.argv[1:]
with Supervisor(Path(folder) / "state" / "record.json", lambda line: print(line, flush=True)) as supervisor:
    for number, port in enumerate(ports):
        command = [sys.executable, f"{folder}/server.py", port]
        supervisor.start(Program(f"server {number}", command, Path(folder) / f"{number}.log", f"http://127.0.0.1:{port}"))
    print("ready", flush=True)
    supervisor.keep()
"""


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def runs(pid: int) -> bool:
    """Not if it has ended, and only waits for somebody to take note."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def answers(address: str) -> bool:
    try:
        return httpx.get(address, trust_env=False).is_success
    except httpx.HTTPError:
        return False


class Kept:
    def __init__(self, folder: Path, process: subprocess.Popen[str]) -> None:
        self.folder, self.process = folder, process

    @property
    def record(self) -> list[Running]:
        return read_record(self.folder / "state" / "record.json")

    def servers(self) -> list[Running]:
        return self.record[1:]

    def children(self) -> list[int]:
        """Those that the servers have started, all in turn."""
        logs = (self.folder / f"{number}.log" for number in range(2))
        return [int(line) for log in logs for line in log.read_text().splitlines() if line.isdigit()]

    def left(self) -> list[int]:
        return [pid for pid in self.children() if runs(pid)]


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    (tmp_path / "server.py").write_text(SERVER)
    command = [sys.executable, "-c", KEEPER, str(tmp_path), str(free_port()), str(free_port())]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = Kept(tmp_path, process)
    try:
        assert process.stdout.readline() == "ready\n"
        yield found
    finally:
        end_all(found.record, tmp_path / "state" / "record.json")
        process.kill()
        process.wait()
        process.stdout.close()


# Ctrl-C, and the end of the terminal.
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_all_answer_and_a_signal_ends_them_with_what_they_started(kept: Kept, number: signal.Signals) -> None:
    before = kept.servers()
    assert [one.name for one in before] == ["server 0", "server 1"]
    assert all(one.answers() for one in before)
    assert len(kept.left()) == 2
    kept.process.send_signal(number)
    assert kept.process.wait(timeout=30) == 0
    assert not any(one.is_alive() for one in before)
    assert kept.left() == []
    assert kept.record == []


def test_what_dies_is_started_again_and_leaves_nothing_behind(kept: Kept) -> None:
    first, second = kept.servers()
    (orphan, _) = kept.children()
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: kept.servers()[0].pid != first.pid and kept.servers()[0].answers())
    assert kept.servers()[0].starts == 2
    assert kept.servers()[1].pid == second.pid
    assert not runs(orphan)
    assert kept.process.stdout is not None
    assert kept.process.stdout.readline() == "server 0 ended (by SIGKILL), and is started again\n"


def test_after_a_crash_of_the_supervisor_all_can_be_ended_from_elsewhere(kept: Kept) -> None:
    record, path = kept.record, kept.folder / "state" / "record.json"
    kept.process.kill()
    kept.process.wait()
    assert [one.is_alive() for one in record] == [False, True, True]
    assert end_all(record, path) == ["server 1", "server 0"]
    assert not any(one.is_alive() for one in record)
    assert kept.left() == []
    assert not path.exists()


def test_a_running_supervisor_ends_them_itself(kept: Kept) -> None:
    assert end_all(kept.record, kept.folder / "state" / "record.json") == ["server 0", "server 1"]
    assert kept.process.wait(timeout=30) == 0
    assert kept.left() == []


def test_another_process_with_the_same_number_is_not_taken_for_it(tmp_path: Path) -> None:
    me = psutil.Process()
    assert Running("me", me.pid, created_at(me), "", "", "").is_alive()
    assert not Running("me", me.pid, created_at(me) - 100, "", "", "").is_alive()


@pytest.mark.skipif(not psutil.LINUX, reason="elsewhere the system keeps the time of day of a process's start")
def test_a_clock_that_is_set_makes_no_other_process_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    me = psutil.Process()
    found = Running("me", me.pid, created_at(me), "", "", "")
    before = psutil.boot_time()
    # What Linux says of the time of its start moves with the clock.
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: before + 3600)
    assert psutil.Process().create_time() > me.create_time() + 3000
    assert found.is_alive()


def test_a_second_one_is_refused_and_leaves_the_first_alone(kept: Kept) -> None:
    before = kept.record
    with (
        pytest.raises(PortfolioError, match=rf"running already, as process {kept.process.pid}.*portfolio stop"),
        Supervisor(kept.folder / "state" / "record.json", print),
    ):
        pass
    assert kept.record == before
    assert all(one.is_alive() for one in before)


def test_a_record_that_can_not_be_written_ends_nothing_and_is_written_later(kept: Kept) -> None:
    first, second = kept.servers()
    folder, aside = kept.folder / "state", kept.folder / "aside"
    folder.rename(aside)
    folder.write_text("no folder, as a full disk takes no file")
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: answers(first.ready))
    assert second.is_alive()
    folder.unlink()
    aside.rename(folder)
    wait_until(lambda: kept.servers()[0].pid != first.pid and kept.servers()[0].answers())


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("")])
def test_a_record_that_is_gone_or_damaged_is_written_again(kept: Kept, damage: Callable[[Path], object]) -> None:
    before, path = kept.record, kept.folder / "state" / "record.json"
    damage(path)
    assert what_runs(path) == before
    assert read_record(path) == before
    damage(path)
    assert set(end_all(what_runs(path), path)) == {"server 0", "server 1"}
    assert what_runs(path) == []
    assert kept.left() == []


DELETES = """
import sys, time
from pathlib import Path
record = Path(sys.argv[1])
record.unlink()
while not record.exists():
    time.sleep(0.01)
print("again", flush=True)
time.sleep(float(sys.argv[2]))
"""


def test_a_record_that_is_deleted_while_it_starts_is_written_again(tmp_path: Path) -> None:
    record, log = tmp_path / "record.json", tmp_path / "one.log"
    command = [sys.executable, "-c", DELETES, str(record)]
    with Supervisor(record, print) as supervisor:
        assert supervisor.run(Program("first", [*command, "0"], log)) == 0
        supervisor.start(Program("second", [*command, "600"], log, said="again", ready_seconds=30))
        assert [one.name for one in read_record(record)] == ["supervisor", "second"]
    assert what_runs(record) == []


def test_where_it_is_not_written_again_it_is_said_that_something_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_module, "WRITTEN_AGAIN_SECONDS", 0.0)
    record = tmp_path / "record.json"
    with Supervisor(record, print), pytest.raises(PortfolioError, match=r"runs, but .*record\.json is gone.*Ctrl-C"):
        what_runs(record)


def test_what_another_answers_at_the_same_address_is_not_taken_for_it(kept: Kept) -> None:
    theirs = kept.servers()[0].ready
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with (
        pytest.raises(PortfolioError, match=r"mine did not answer at .* within 1 s"),
        Supervisor(kept.folder / "mine" / "record.json", print) as supervisor,
    ):
        supervisor.start(Program("mine", command, kept.folder / "mine.log", theirs, ready_seconds=1))


def test_one_that_ends_while_it_starts_is_shown_with_its_last_lines(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no such table'); raise SystemExit(3)"]
    with (
        pytest.raises(PortfolioError, match=r"(?s)broken ended with code 3.*no such table"),
        Supervisor(tmp_path / "record.json", print) as supervisor,
    ):
        supervisor.start(Program("broken", command, tmp_path / "log", "http://127.0.0.1:1"))


def test_one_without_an_address_is_ready_once_its_log_says_so(tmp_path: Path) -> None:
    code = "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)\nprint('served', flush=True)"
    command = [sys.executable, "-c", f"{code}\ntime.sleep(600)"]
    with chdir(tmp_path), Supervisor(tmp_path / "record.json", print) as supervisor:
        with pytest.raises(PortfolioError, match=r"flows did not answer within 0.5 s"):
            supervisor.start(Program("flows", command, tmp_path / "log", said="served", ready_seconds=0.5))
        (tmp_path / "go").touch()
        supervisor.start(Program("flows", command, tmp_path / "log", said="served"))
        assert (tmp_path / "log").read_text() == "served\n"


def test_one_that_does_not_answer_in_time_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    address = f"http://127.0.0.1:{free_port()}"
    with Supervisor(tmp_path / "record.json", print) as supervisor:
        with pytest.raises(PortfolioError, match=r"slow did not answer at .* within 0.3 s"):
            supervisor.start(Program("slow", command, tmp_path / "log", address, ready_seconds=0.3))
        (_, slow) = read_record(tmp_path / "record.json")
        assert slow.is_alive()
    assert not slow.is_alive()
