"""Made-up rows fit the declarations, and have something in them to learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from portfolio.contract.loading import load_use_case
from portfolio.contract.made_up import made_up_rows
from portfolio.core.paths import Paths
from portfolio.data.validate import check_batch
from tests.workspace import ALL_USE_CASES


@pytest.mark.parametrize("name", ALL_USE_CASES)
def test_made_up_rows_are_clean(workspace: Path, name: str) -> None:
    case = load_use_case(name)
    path = Paths(name).batches / "2026-01-05.parquet"
    path.parent.mkdir(parents=True)
    made_up_rows(case, 500).write_parquet(path)
    good, bad = check_batch(path, case.schema(), case, case.config().validate_)
    assert (len(good), len(bad)) == (500, 0), bad
    targets = case.targets(good)
    assert len(np.unique(targets)) >= max(2, len(case.output.classes))
    for field in case.inputs:
        assert (good[field.name].null_count() > 0) == field.nullable


def test_the_same_seed_makes_the_same_rows_and_another_makes_others(workspace: Path) -> None:
    case = load_use_case("toy")
    rows = made_up_rows(case, 100, seed=1)
    assert rows.equals(made_up_rows(case, 100, seed=1))
    other = made_up_rows(case, 100, seed=2)
    assert not set(rows[case.key]) & set(other[case.key])
    assert not rows["weight"].equals(other["weight"])


def test_the_target_follows_from_the_inputs(workspace: Path) -> None:
    rows = made_up_rows(load_use_case("toy"), 2000).drop_nulls()
    means = dict(rows.group_by("ripe").agg(pl.col("weight").mean()).iter_rows())
    assert abs(means["true"] - means["false"]) > 1
