import hashlib
import threading
from datetime import date
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import polars as pl
import pytest

from portfolio.config import load_config
from portfolio.errors import SourceError
from portfolio.paths import Paths
from portfolio.source import Source, collect, download
from portfolio.use_case import load_use_case


def test_collecting_twice_adds_nothing(workspace: Path) -> None:
    source = load_use_case("digits").source(load_config("digits"))
    first = collect(source, Paths("digits").batches)
    before = {path: path.stat().st_mtime_ns for path in Paths("digits").batches.iterdir()}
    second = collect(source, Paths("digits").batches)
    assert (len(first.added), second.added, second.present) == (24, [], 24)
    assert before == {path: path.stat().st_mtime_ns for path in Paths("digits").batches.iterdir()}


def test_a_broken_off_collect_is_completed(workspace: Path) -> None:
    class Breaking(Source):
        def dates(self) -> list[date]:
            return [date(2026, 1, 5), date(2026, 1, 6)]

        def read(self, days: list[date]) -> dict[date, pl.DataFrame]:
            return {day: pl.DataFrame({"day": [day]}) for day in days if day.day == 5 or self.mended}

        mended = False

    source, folder = Breaking(), Paths("digits").batches
    collect(source, folder)
    (folder / ".2026-01-06.parquet.x.partial").write_text("cut off")
    source.mended = True
    assert collect(source, folder).added == ["2026-01-06"]
    assert sorted(path.name for path in folder.iterdir()) == ["2026-01-05.parquet", "2026-01-06.parquet"]


def test_two_collects_at_once_do_no_harm(workspace: Path) -> None:
    source = load_use_case("digits").source(load_config("digits"))
    results = []
    threads = [threading.Thread(target=lambda: results.append(collect(source, Paths("digits").batches))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(result.added) for result in results) == [0, 24]


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


def test_other_bytes_than_pinned_leave_nothing(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTFOLIO_MIRROR", site)
    with pytest.raises(SourceError, match=f"SHA-256 {DIGEST}, but {'0' * 64} is pinned"):
        download("https://example.org/rows.csv", "0" * 64, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_missing_file_names_the_address(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTFOLIO_MIRROR", site)
    with pytest.raises(SourceError, match=r"example.org/nothing.csv can't be fetched.*PORTFOLIO_MIRROR"):
        download("https://example.org/nothing.csv", DIGEST, tmp_path / "cache")
