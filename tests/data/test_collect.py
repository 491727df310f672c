import gzip
import hashlib
import threading
from collections.abc import Iterator
from datetime import date
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from socket import socket
from typing import ClassVar

import polars as pl
import pytest

from portfolio.contract.folder import Folder
from portfolio.contract.loading import load_use_case
from portfolio.contract.sources import Source
from portfolio.core.download import download
from portfolio.core.errors import SourceError
from portfolio.core.paths import Paths
from portfolio.data.collect import collect


def test_collecting_twice_adds_nothing(workspace: Path) -> None:
    source = load_use_case("toy").source
    first = collect(source, Paths("toy").batches)
    before = {path: path.stat().st_mtime_ns for path in Paths("toy").batches.iterdir()}
    second = collect(source, Paths("toy").batches)
    assert (len(first.added), second.added, second.present) == (6, [], 6)
    assert before == {path: path.stat().st_mtime_ns for path in Paths("toy").batches.iterdir()}


def test_rows_that_other_batches_have_are_told(tmp_path: Path) -> None:
    """As where a file was put into the folder twice, or one with all rows so far."""
    files, batches = tmp_path / "files", tmp_path / "batches"
    files.mkdir()
    (files / "2026-01-05.csv").write_text("id,x\n1,a\n2,b\n")
    source = Folder(files, key="id")
    assert collect(source, batches).notes == []
    # Also where the one has numbers and the other texts.
    (files / "2026-01-06.csv").write_text("id,x\n2,b\n3,c\nA4,d\n")
    (files / "2026-01-07.csv").write_text("id,x\n5,e\n")
    (told,) = collect(source, batches).notes
    assert told.startswith("1 of 4 new rows share their 'id' with a row of another batch, and only the first")
    assert told.endswith(": 2026-01-06")
    assert collect(source, batches).notes == []


def test_a_key_that_a_file_lacks_is_told_when_it_is_validated(tmp_path: Path) -> None:
    (tmp_path / "2026-01-05.csv").write_text("x\n1\n")
    assert collect(Folder(tmp_path, key="id"), tmp_path / "batches").added == ["2026-01-05"]


def test_a_damaged_batch_does_not_stop_what_is_new(tmp_path: Path) -> None:
    files, batches = tmp_path / "files", tmp_path / "batches"
    files.mkdir()
    batches.mkdir()
    (batches / "2026-01-05.parquet").write_bytes(b"PAR1 is cut off")
    (files / "2026-01-05.csv").write_text("id\n1\n")
    (files / "2026-01-06.csv").write_text("id\n2\n")
    assert collect(Folder(files, key="id"), batches).added == ["2026-01-06"]


def test_a_broken_off_collect_is_completed(workspace: Path) -> None:
    class Breaking(Source):
        def dates(self) -> list[date]:
            return [date(2026, 1, 5), date(2026, 1, 6)]

        def read(self, days: list[date]) -> dict[date, pl.DataFrame]:
            return {day: pl.DataFrame({"day": [day]}) for day in days if day.day == 5 or self.mended}

        mended = False

    source, folder = Breaking(), Paths("toy").batches
    collect(source, folder)
    (folder / ".2026-01-06.parquet.x.partial").write_text("cut off")
    source.mended = True
    assert collect(source, folder).added == ["2026-01-06"]
    assert sorted(path.name for path in folder.iterdir()) == ["2026-01-05.parquet", "2026-01-06.parquet"]


def test_two_collects_at_once_do_no_harm(workspace: Path) -> None:
    source = load_use_case("toy").source
    results = []
    threads = [threading.Thread(target=lambda: results.append(collect(source, Paths("toy").batches))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(result.added) for result in results) == [0, 6]


@pytest.fixture
def site(tmp_path: Path) -> str:
    """A real web server on loopback, with one file below HOST/PATH."""
    (tmp_path / "site" / "example.org").mkdir(parents=True)
    (tmp_path / "site" / "example.org" / "rows.csv").write_bytes(b"a\n1\n")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "site"))
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


DIGEST = hashlib.sha256(b"a\n1\n").hexdigest()


def test_a_mirror_address_stands_in_front_of_host_and_path(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTFOLIO_MIRROR", site)
    assert download("https://example.org/rows.csv", DIGEST, tmp_path / "cache").read_bytes() == b"a\n1\n"


def test_a_mirror_folder_does_the_same(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTFOLIO_MIRROR", str(tmp_path / "site"))
    assert download("https://example.org/rows.csv", DIGEST, tmp_path / "cache").read_bytes() == b"a\n1\n"


def test_a_mirror_that_is_neither_is_told_what_it_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTFOLIO_MIRROR", tmp_path.as_uri())
    with pytest.raises(SourceError, match=r"file:///.*a folder's path, or an http\(s\) address"):
        download("https://example.org/rows.csv", DIGEST, tmp_path / "cache")


def test_what_sends_too_much_is_cut_off(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTFOLIO_MIRROR", site)
    monkeypatch.setattr("portfolio.core.download.MAX_DOWNLOAD_BYTES", 3)
    with pytest.raises(SourceError, match=r"example.org/rows.csv sends more than 3 bytes"):
        download("https://example.org/rows.csv", DIGEST, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_other_bytes_than_pinned_leave_nothing(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTFOLIO_MIRROR", site)
    with pytest.raises(SourceError, match=f"SHA-256 {DIGEST}, but {'0' * 64} is pinned"):
        download("https://example.org/rows.csv", "0" * 64, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_missing_file_names_the_address(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTFOLIO_MIRROR", site)
    with pytest.raises(SourceError, match=r"example.org/nothing.csv can't be fetched.*PORTFOLIO_MIRROR"):
        download("https://example.org/nothing.csv", DIGEST, tmp_path / "cache")


def test_a_source_that_delivers_less_is_not_said_to_have_delivered_all(workspace: Path) -> None:
    class Late(Source):
        def dates(self) -> list[date]:
            return [date(2026, 1, 5), date(2026, 1, 6)]

        def read(self, days: list[date]) -> dict[date, pl.DataFrame]:
            return {days[0]: pl.DataFrame({"day": [days[0]]})}

    folder = workspace / "batches"
    assert collect(Late(), folder).added == ["2026-01-05"]
    assert collect(Late(), folder).added == ["2026-01-06"]


def test_more_days_add_batches_and_change_none(workspace: Path) -> None:
    folder = workspace / "batches"
    source = load_use_case("toy").source
    collect(source, folder, date(2026, 1, 7))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    done = collect(source, folder, date(2026, 1, 9))
    assert (done.added, done.present) == (["2026-01-08", "2026-01-09"], 3)
    assert {path: path.read_bytes() for path in before} == before


def test_a_day_before_the_first_batch_is_named(workspace: Path) -> None:
    with pytest.raises(SourceError, match=r"no batch up to 2025-01-01; its first is of 2026-01-05.*collect\.until"):
        collect(load_use_case("toy").source, workspace / "batches", date(2025, 1, 1))
    assert list((workspace / "batches").iterdir()) == []


def test_rows_without_a_key_are_named_by_batch_and_place(workspace: Path) -> None:
    folder = workspace / "batches"
    collect(load_use_case("shapes").source, folder)
    names = [pl.read_parquet(path)["row"] for path in sorted(folder.iterdir())]
    assert names[0][0] == "2026-01-05-000000"
    assert names[2][299] == "2026-01-07-000299"
    assert pl.concat(names).is_unique().all()


class Server(BaseHTTPRequestHandler):
    """Answers as `script` says: a status; or "cut", "gzip", "login" for a body cut off, packed, or of a page."""

    script: ClassVar[list[int | str]] = []

    def do_GET(self) -> None:
        answer = self.script.pop(0)
        body = {"gzip": gzip.compress(b"a\n1\n", mtime=0), "login": b"<!DOCTYPE html><form>"}.get(
            str(answer), b"a\n1\n"
        )
        self.send_response(answer if isinstance(answer, int) else 200)
        if answer == "gzip":
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"a" if answer == "cut" else body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int | str]]:
    """A web server in the place of all others, which answers by this script. Waits between attempts are skipped."""
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("PORTFOLIO_MIRROR", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(Server, "script", [])
    yield Server.script
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("faults", [[503], [429, "cut"], ["cut", 500, 502]])
def test_what_may_pass_is_tried_again(scripted: list[int | str], tmp_path: Path, faults: list[int | str]) -> None:
    scripted += [*faults, 200]
    path = download("https://example.org/rows.csv", DIGEST, tmp_path / "cache")
    assert path.read_bytes() == b"a\n1\n"
    assert scripted == []


@pytest.mark.parametrize("pinned", [b"a\n1\n", gzip.compress(b"a\n1\n", mtime=0)], ids=["unpacked", "as it came"])
def test_of_a_packed_answer_either_form_may_be_pinned(scripted: list[int | str], tmp_path: Path, pinned: bytes) -> None:
    scripted += ["gzip"]
    path = download("https://example.org/rows.csv", hashlib.sha256(pinned).hexdigest(), tmp_path / "cache")
    assert path.read_bytes() == pinned


def test_a_page_in_place_of_the_file_is_named(scripted: list[int | str], tmp_path: Path) -> None:
    scripted += ["login"]
    with pytest.raises(SourceError, match=r"is pinned\. It is a web page, often a login"):
        download("https://example.org/rows.csv", DIGEST, tmp_path / "cache")


def test_a_download_that_keeps_breaking_off_leaves_nothing(scripted: list[int | str], tmp_path: Path) -> None:
    scripted += ["cut"] * 9
    with pytest.raises(SourceError, match=r"example.org/rows.csv can't be fetched"):
        download("https://example.org/rows.csv", DIGEST, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_will_not_pass_is_not_tried_again(scripted: list[int | str], tmp_path: Path) -> None:
    scripted += [403, 200]
    with pytest.raises(SourceError, match="403"):
        download("https://example.org/rows.csv", DIGEST, tmp_path / "cache")
    assert scripted == [200]


def test_without_a_network_the_message_has_the_address_and_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PORTFOLIO_MIRROR", f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(SourceError, match=r"example.org/rows.csv can't be fetched.*PORTFOLIO_MIRROR"):
            download("https://example.org/rows.csv", DIGEST, tmp_path / "cache")


def test_what_was_fetched_is_not_fetched_again_unless_it_was_damaged(scripted: list[int | str], tmp_path: Path) -> None:
    scripted += [200, 200]
    path = download("https://example.org/rows.csv", DIGEST, tmp_path / "cache")
    download("https://example.org/rows.csv", DIGEST, tmp_path / "cache")
    assert scripted == [200]
    path.write_bytes(b"a")
    assert download("https://example.org/rows.csv", DIGEST, tmp_path / "cache").read_bytes() == b"a\n1\n"
