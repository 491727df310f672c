"""Traffic for a real server, and the labels that it asks for."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from bench.server import portfolio_server
from portfolio.bundle.manifest import read_manifest
from portfolio.bundle.store import Store
from portfolio.client.simulate import Simulator
from portfolio.contract.loading import load_use_case
from portfolio.core.errors import PortfolioError
from portfolio.core.paths import Paths
from portfolio.data.batches import FAIR
from tests.cli.conftest import output, run_main
from tests.workspace import TOY

ROWS = 300


@pytest.fixture
def project(built: Callable[[str], Path]) -> Path:
    """The toy with a published champion, which audits one in five of its own answers."""
    folder = built(TOY)
    best = Paths(TOY).best_folder()
    manifest, _ = read_manifest(best)
    assert manifest.policy is not None
    policy = manifest.policy.model_copy(update={"audit_share": 0.2})
    lineage = manifest.lineage.model_copy(update={"model_version": 5})
    Store.of(TOY).publish(best, manifest.model_copy(update={"policy": policy, "lineage": lineage}))
    return folder


def test_what_came_back_is_what_the_log_has(project: Path) -> None:
    case = load_use_case(TOY)
    rows = pl.read_parquet(Paths(TOY).splits / "test.parquet")
    with portfolio_server(project / ".state", use_case=TOY) as server:
        simulator = Simulator(case, server.url, rows)
        plain = simulator.send(ROWS)
        unlabelled = simulator.send(ROWS, labels=False)
        drifted = Simulator(case, server.url, case.drifts()["shift"](rows)).send(ROWS)
        with pytest.raises(PortfolioError, match="serves 'toy', not 'shapes'"):
            Simulator(load_use_case("shapes"), server.url, rows)
    assert (plain.sent, plain.answered, plain.failed, dict(plain.versions)) == (ROWS, ROWS, 0, {5: ROWS})
    assert plain.labels == plain.asked >= ROWS - plain.by_machine
    assert unlabelled.asked > 0 == unlabelled.labels
    assert plain.right > drifted.right + ROWS * 0.1
    assert plain.yen_per_1000 is not None
    assert drifted.yen_per_1000 is not None
    assert plain.yen_per_1000 > drifted.yen_per_1000
    with closing(sqlite3.connect(project / ".state" / "log" / "toy.db")) as log:
        asked = [json.loads(row[0])[0] for row in log.execute("select asked from predictions")]
        labels = log.execute('select count(*), sum("right") from feedback').fetchone()
    assert len(asked) == 3 * ROWS
    assert sum(probability > 0 for probability in asked) == plain.asked + unlabelled.asked + drifted.asked
    assert labels[0] == plain.labels + drifted.labels


def test_the_command_shows_what_came_back(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Labels that came back are among the clean rows, too.
    clean = Paths(TOY).clean
    rows = pl.read_parquet(next(clean.iterdir())).with_columns(pl.lit(value=True).alias(FAIR))
    rows.write_parquet(clean / "2026-03-01-feedback-001.parquet")
    with portfolio_server(project / ".state", use_case=TOY) as server:
        arguments = ["simulate", TOY, "--url", server.url, "--rows", "50", "--rate", "0"]
        told = output([*arguments, "--drift", "shift", "--of", "clean"], monkeypatch, capsys)
        assert "50 of 50" in told
        assert "version 5: 50" in told
        assert "yen per 1,000 by the true labels" in told
        refused = run_main([*arguments, "--drift", "fog"], 1, monkeypatch, capsys).err
        assert "'toy' has no drift 'fog'. It has: shift, shift-weight, missing, more-colour" in refused
    assert "can't be reached" in run_main(arguments, 1, monkeypatch, capsys).err


def test_without_rows_the_remedy_is_told(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = run_main(["simulate", TOY], 1, monkeypatch, capsys).err
    assert "There are no test rows of 'toy' here. Make them: portfolio run toy" in refused
