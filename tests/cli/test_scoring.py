"""What `portfolio score` shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from portfolio.bundle.store import Store
from tests.cli.conftest import output, run_main
from tests.tiny import publish
from tests.workspace import TOY


def test_it_shows_rows_and_yen_and_what_was_rejected(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(Store.of(TOY), tmp_path / "bundle", version=2)
    (workspace / "in.csv").write_text('pixels\n"[1, 2, 3, 4]"\n"[4, 3, 2, 1]"\n"[1]"\n')
    told = " ".join(output(["score", "in.csv", "out.csv", TOY], monkeypatch, capsys).split())
    for expected in ("by version 2 of toy", "2 rows", "12 yen", "1 row: pixels: must be 4 numbers", "out.summary.json"):
        assert expected in told
    refused = run_main(["score", "in.csv", "out.csv", TOY], 1, monkeypatch, capsys).err
    assert "out.csv, out.rejected.csv, out.summary.json would be overwritten. Move what is there already" in refused
    assert "Traceback" not in refused
