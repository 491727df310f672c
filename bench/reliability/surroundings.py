"""What the server needs is taken away: its store, its disk, its clock. Predictions go on."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from bench.clients import Clients
from bench.reliability.asking import (
    SkippedError,
    body,
    call,
    metric,
    predict_request,
    publish,
    served_version,
    wait_until,
)
from bench.reliability.ends import Received, is_whole, log_of, logged
from bench.rows import Row
from bench.server import portfolio_server
from portfolio.bundle.bundle import Bundle
from serving.record.recorder import SECONDS_TO_DISK

CONNECTIONS = 8
# So many answers in a row are of all workers.
ASKED = 20
# Where Debian and Fedora put it.
FAKETIME = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib*/faketime/libfaketimeMT.so.1")


def _shows_no_refusal(url: str) -> bool:
    return call(f"{url}/model")[1]["last_refusal"] is None


def store_gone(work: Path, like: Bundle, *, seconds: float = 3) -> list[Row]:
    """The store is renamed away, then there and not readable, then back with a new version."""
    publish(work, like, 1)
    store = work / "store" / like.manifest.use_case
    elsewhere = work / "elsewhere"
    with (
        portfolio_server(work, use_case=like.manifest.use_case, poll_seconds="0.05") as server,
        Clients(server.url, predict_request(server.url, body(like)), CONNECTIONS) as clients,
    ):
        store.rename(elsewhere)
        time.sleep(seconds / 2)
        ready_without = call(f"{server.url}/readyz")[0] == 200
        elsewhere.rename(store)
        # A folder in its place can't be read by anybody, root included.
        champion = (store / "champion.json").read_bytes()
        (store / "champion.json").unlink()
        (store / "champion.json").mkdir()
        time.sleep(seconds / 2)
        ready_unreadable = call(f"{server.url}/readyz")[0] == 200
        (store / "champion.json").rmdir()
        (store / "champion.json").write_bytes(champion)
        publish(work, like, 2)
        taken = wait_until(lambda: served_version(server.url) == 2)
        # Each worker takes it by itself, and any of them may answer.
        settled = wait_until(lambda: all(_shows_no_refusal(server.url) for _ in range(ASKED)))
    return [
        Row("answers", clients.counts["200"], "", at_least=1),
        Row("failed requests", clients.failed, "", at_most=0),
        Row("ready without a store, and with an unreadable one", ready_without + ready_unreadable, "", at_least=2),
        Row("time to a new version once the store is back", taken, "s", at_most=2),
        Row("time from then until no worker shows a refusal", settled, "s", at_most=2),
    ]


def disk_full(work: Path, like: Bundle, *, seconds: float = 4, queue: int = 200) -> list[Row]:
    """The prediction log's disk fills up: predictions go on, drops are counted; with room again, it is written on."""
    if shutil.which("unshare") is None:
        raise SkippedError("there is no `unshare` here, with which to mount a small disk")
    probe = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=64k none "$(mktemp -d)"']
    if subprocess.run(probe, capture_output=True).returncode:
        raise SkippedError("there is no right to mount a small disk here")
    publish(work, like, 1)
    log = work / "log"
    log.mkdir()
    mounted = f'mount -t tmpfs -o size=48m none "{log}" && head -c 47m /dev/zero >"{log}/filler" && exec "$@"'
    before = ("unshare", "-rm", "sh", "-c", mounted, "sh")
    with portfolio_server(work, use_case=like.manifest.use_case, before=before, log_queue=str(queue)) as server:
        # Through the server's own view of the file system.
        inside = Path(f"/proc/{server.process.pid}/root{log.absolute()}")
        with Clients(server.url, predict_request(server.url, body(like, 4)), CONNECTIONS) as clients:
            wait_until(lambda: metric(server.url, "portfolio_log_dropped_total") > 0, 60)
            time.sleep(seconds)
            waiting = metric(server.url, "portfolio_log_queue")
        dropped = metric(server.url, "portfolio_log_dropped_total")
        (inside / "filler").unlink()
        wait_until(lambda: metric(server.url, "portfolio_log_queue") == 0, 60)
        answered = call(f"{server.url}/predict", body(like))[1]["request_id"]
        time.sleep(SECONDS_TO_DISK)
        # Nothing is asked any more, so nothing is written while it is copied.
        shutil.copytree(inside, work / "kept" / "log")
    return [
        Row("answers", clients.counts["200"], "", at_least=1),
        Row("failed requests", clients.failed, "", at_most=0),
        Row("records dropped, according to /metrics", dropped, "", at_least=1),
        Row("records waiting", waiting, "", at_most=queue + 2000),
        Row(
            "with free space again, new answers are logged",
            answered in logged(work / "kept"),
            "",
            at_least=1,
        ),
        Row("the log is intact", is_whole(work / "kept"), "", at_least=1),
    ]


def clock_back(work: Path, like: Bundle, *, hours: int = 26) -> list[Row]:
    """The clock jumps back by more than a day: all requests are answered, and logged under ids of their own."""
    found = [path for pattern in FAKETIME for path in Path("/").glob(pattern.removeprefix("/"))]
    if not found:
        raise SkippedError("libfaketime is not here, with which to set the clock back: apt-get install faketime")
    publish(work, like, 1)
    offset = work / "offset"
    offset.write_text("+0")
    variables = {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME_TIMESTAMP_FILE": str(offset.absolute()),
        "FAKETIME_NO_CACHE": "1",
        # As a kernel has it: what counts from the start of the machine never goes back.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    received = Received()
    with (
        portfolio_server(work, use_case=like.manifest.use_case, variables=variables) as server,
        Clients(server.url, predict_request(server.url, body(like)), CONNECTIONS, received.see) as clients,
    ):
        time.sleep(1)
        early = int(call(f"{server.url}/predict", body(like))[1]["request_id"][:12], 16)
        offset.write_text(f"-{hours}h")
        time.sleep(2)
        late = int(call(f"{server.url}/predict", body(like))[1]["request_id"][:12], 16)
        ready = call(f"{server.url}/readyz")[0] == 200
        publish(work, like, 2)
        taken = wait_until(lambda: served_version(server.url) == 2)
    assert log_of(work).exists()
    return [
        Row("clock set back by", (early - late) / 3_600_000, "h", at_least=hours - 1),
        Row("answers", len(received.at), "", at_least=1),
        Row("failed requests", clients.failed, "", at_most=0),
        Row("ready afterwards", ready, "", at_least=1),
        Row("time to a new version", taken, "s", at_most=2),
        Row("answers missing from the log", len(received.at.keys() - logged(work)), "", at_most=0),
    ]
