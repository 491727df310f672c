"""What the monitor found, on the report's page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from portfolio.bundle.store import Store
from portfolio.core.environment import sqlite_address, state_folder
from portfolio.core.paths import Paths
from portfolio.monitoring.looks import Event, Looks
from portfolio.report.production import SHOWN
from portfolio.report.words import PAGES
from tests.serving.routes.test_monitor import look
from tests.tiny import publish
from tests.workspace import run_stage

HEADINGS = {"en": "In production", "ja": "稼働中の成績"}


def pages() -> dict[str, str]:
    run_stage("report", "toy")
    return {language: (Paths("toy").report / PAGES[language]).read_text() for language in PAGES}


def test_the_newest_looks_and_what_happened_are_on_the_page(built: Callable[[str], Path]) -> None:
    built("toy")
    for language, page in pages().items():
        assert HEADINGS[language] not in page
    log = state_folder() / "log" / "toy.db"
    log.parent.mkdir(parents=True)
    looks = Looks(sqlite_address(log))
    # A log without looks says nothing.
    looks.add_event(Event("refused", 7, at=datetime.now(UTC) - timedelta(hours=9)))
    assert HEADINGS["en"] not in pages()["en"]
    for hours_ago in range(20, 0, -1):
        looks.add(look("d" * 64, hours_ago, model_version=8, rows=1000 + hours_ago, verdict="harmful"))
    nothing = {"yen_per_1000": {"promised": None, "estimated": None, "seen": None}, "drift": []}
    looks.add(look("e" * 64, 0.5, model_version=9, verdict="insufficient_data", figures=nothing))
    looks.close()
    found = pages()
    for language, page in found.items():
        section = page.partition(HEADINGS[language])[2].partition("<h2>")[0]
        assert section.count("<svg") == 1
        # The newest ones, the newest first.
        assert section.count("<td>8</td>") == SHOWN - 1
        assert section.index("<td>1,001</td>") < section.index("<td>1,002</td>")
        assert "<td>1,015</td>" not in section
    assert "version 7 refused" in found["en"]
    assert "バージョン7の却下" in found["ja"]
    assert "<b>not enough data</b> (version 9)" in found["en"]
    assert "drift found in pixels, the answers" in found["en"]


def test_its_verdict_is_of_the_version_that_is_served(built: Callable[[str], Path], tmp_path: Path) -> None:
    """After a rollback labels may still come for the version that was taken back."""
    built("toy")
    (state_folder() / "log").mkdir(parents=True)
    looks = Looks(sqlite_address(state_folder() / "log" / "toy.db"))
    store = Store.of("toy")
    served = publish(store, tmp_path / "bundle", version=8)
    looks.add(look(served, 2, model_version=8, verdict="healthy"))
    looks.add(look("e" * 64, 1, model_version=9, verdict="harmful"))
    looks.close()
    assert "</b> (version 8)" in pages()["en"]


def test_a_log_that_cannot_be_read_is_told_and_stops_no_report(
    built: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built("toy")
    log = state_folder() / "log" / "toy.db"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"no database" * 1000)
    assert HEADINGS["en"] not in pages()["en"]
    assert "the prediction log can't be read" in capsys.readouterr().err
