"""The scoring flow, as Prefect runs it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from prefect.testing.utilities import prefect_test_harness

from portfolio.bundle.store import Store
from tests.conftest import TOY, publish


@pytest.fixture(scope="module")
def prefect() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=120):
        yield


def test_the_flow_writes_the_output_and_tells_of_it(prefect: None, store: Store, tmp_path: Path) -> None:
    from prefect.artifacts import Artifact

    from pipelines.scoring import scoring

    publish(store, tmp_path / "bundle", version=2)
    pl.DataFrame({"pixels": [[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0], [0.0]]}).write_parquet(tmp_path / "in.parquet")
    found = scoring(TOY, str(tmp_path / "in.parquet"), str(tmp_path / "out.csv"))
    assert (found.rows, found.rejected) == (2, 1)
    assert pl.read_csv(tmp_path / "out.csv")["class"].to_list() == ["right", "left"]
    artifact = Artifact.get("scoring-toy")
    assert artifact is not None
    assert "answered: 2 rows" in str(artifact.data)
