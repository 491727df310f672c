from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from portfolio.bundle.store import Store
from portfolio.monitoring.prediction_log.log import PredictionLog
from tests.cli.conftest import output, run_main
from tests.monitoring.world import World


@pytest.fixture
def world(workspace: Path) -> World:
    return World(Store.of("toy"), PredictionLog(f"sqlite:///{workspace / '.state' / 'log' / 'toy.db'}"))


def test_what_was_found_is_told_with_what_to_do(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.serve(0, world.rows(300, shift=1))
    told = output(["monitor", "toy"], monkeypatch, capsys)
    assert "warn" in told
    assert "weight (value) has moved" in " ".join(told.split())
    assert re.search(r"promised \d+\.\d%; estimated \d+\.\d% \(\d+\.\d to \d+\.\d%\)", told)
    again = output(["monitor", "toy"], monkeypatch, capsys)
    assert "No new answers or labels since the last look" in again
    assert "weight" in again


def test_in_japanese_every_line_is(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.serve(0, world.rows(300, shift=1))
    told = output(["monitor", "toy", "--lang", "ja"], monkeypatch, capsys)
    assert re.search(r"見込み\d+\.\d%、推定\d+\.\d%.\d+\.\d〜\d+\.\d%.", told)
    again = output(["monitor", "toy", "--lang", "ja"], monkeypatch, capsys)
    assert again.startswith("前回の点検")
    assert "新しい答えも正解ラベルも届いていません" in again


def test_what_to_do_names_the_use_case(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.serve(0, world.rows(5))
    told = " ".join(output(["monitor", "toy"], monkeypatch, capsys).split())
    assert "portfolio run toy" in told


def test_as_json_it_has_every_figure(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.serve(0, world.rows(300))
    (found,) = json.loads(output(["monitor", "toy", "--json"], monkeypatch, capsys))
    assert (found["verdict"], found["rows"]) == ("healthy", 300)
    assert found["figures"]["yen_per_1000"]["seen"]["labels"] > 0
    assert json.loads(output(["monitor", "toy", "--json"], monkeypatch, capsys)) == []


def test_without_a_log_it_says_what_makes_one(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "portfolio serve" in run_main(["monitor", "toy"], 1, monkeypatch, capsys).err
