"""Integers are categories where the target differs between them without rising or falling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from portfolio.contract.loading import load_use_case
from portfolio.data.collect import collect
from portfolio.data.validate import check_batch
from portfolio.profiling import adding
from portfolio.profiling.origins import LocalFile
from tests.profiling.made import csv_text, drafted

ROWS = 800
RANDOM = np.random.default_rng(1)
SEASONS = RANDOM.integers(1, 5, ROWS)
NOISE = RANDOM.normal(size=ROWS)
TARGETS = {
    "sales": (np.array([0, 2.0, 8, 9, 3])[SEASONS] + NOISE, "category"),
    "rising": (3.0 * SEASONS + NOISE, "number"),
    "unrelated": (NOISE, "number"),
    "class": (np.where((SEASONS == 2) ^ (NOISE > 1.5), "yes", "no"), "category"),
}


@pytest.mark.parametrize("target", TARGETS)
def test_the_kind_follows_from_the_target(tmp_path: Path, target: str) -> None:
    values, kind = TARGETS[target]
    content = csv_text({"season": SEASONS, "other": RANDOM.normal(size=ROWS), target: values})
    assert drafted(tmp_path, content, target).decisions["season"].column.kind == kind


def test_the_declared_codes_take_the_rows(workspace: Path) -> None:
    content = csv_text({"season": SEASONS, "other": RANDOM.normal(size=ROWS), "sales": TARGETS["sales"][0]})
    adding.write("shop", drafted(workspace, content, "sales"), LocalFile(workspace / "rows.csv"))
    case = load_use_case("shop")
    assert case.inputs[0].categories == ("1", "2", "3", "4")
    collect(case.source, workspace / "batches")
    (path,) = (workspace / "batches").glob("*.parquet")
    assert len(check_batch(path, case.schema(), case, case.config().validate_)[0]) == ROWS
