"""The file that `python -m bench` leaves; what it measures takes minutes, and is not repeated here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import __main__ as bench
from bench import rows
from bench.__main__ import PARTS
from bench.rows import Row, cores, record
from portfolio.core.errors import ConfigError


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(rows, "BENCH", tmp_path / "bench.json")
    return tmp_path / "bench.json"


def test_a_part_that_is_measured_anew_leaves_the_others(results: Path) -> None:
    record("frames", [Row("slow", 3.0, "s", at_most=2)])
    record("loop", [Row("quick", 1.0, "s", at_most=2)])
    record("frames", [Row("bare", 5.0, "s")])
    found = json.loads(results.read_text())
    assert set(found) == {"loop", "frames"}
    assert [row["verdict"] for part in found.values() for row in part["rows"]] == ["", "held"]
    assert found["frames"]["rows"][0]["value"] == 5.0
    assert all(part["machine"].startswith(f"{cores()} cores") for part in found.values())


def test_a_part_that_there_is_not_is_refused_with_those_there_are(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "frames", "lop"])
    with pytest.raises(SystemExit):
        bench.main()
    said = capsys.readouterr().err
    assert "there is no part lop" in said
    assert all(part in said for part in PARTS)
    assert not results.exists()


def test_a_part_that_does_not_fit_the_use_case_is_left_out_with_the_reason(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unfit(work: Path) -> list[Row]:
        raise ConfigError("it has no image")

    monkeypatch.setitem(PARTS, "inference", unfit)
    monkeypatch.setitem(PARTS, "frames", lambda work: [Row("quick", 1.0, "s")])
    monkeypatch.setattr("sys.argv", ["bench", "inference", "frames"])
    with pytest.raises(SystemExit) as ended:
        bench.main()
    assert ended.value.code == 1
    assert "inference is left out: it has no image" in capsys.readouterr().out
    assert list(json.loads(results.read_text())) == ["frames"]
