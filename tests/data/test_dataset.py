import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from portfolio.contract.loading import load_use_case
from portfolio.core.errors import DataError
from portfolio.core.paths import Paths
from portfolio.data.dataset import data_sha256, load_split, sklearn_input

Built = Callable[[str], Path]


def test_a_split_is_the_prepared_rows_as_arrays(built: Built) -> None:
    built("shapes")
    case = load_use_case("shapes")
    split = load_split(case, "test")
    rows = pl.read_parquet(Paths("shapes").splits / "test.parquet")
    assert len(split) == len(rows) == len(split.inputs["drawing"])
    assert split.rows.equals(rows)
    assert split.inputs["drawing"][3].tolist() == rows["drawing"].to_list()[3]
    assert [case.output.labels[number] for number in split.targets] == rows["shape"].to_list()


def test_a_missing_split_names_the_command_that_makes_it(built: Built) -> None:
    built("toy")
    shutil.rmtree(Paths("toy").splits)
    with pytest.raises(DataError, match=r"train\.parquet is missing.*dvc repro prepare@toy"):
        load_split(load_use_case("toy"), "train")
    with pytest.raises(DataError, match=r"sha256 is missing.*portfolio collect toy"):
        data_sha256(load_use_case("toy"))


def test_scikit_learn_gets_one_picture_as_it_is_and_columns_by_name(workspace: Path) -> None:
    drawing = np.zeros((2, 64), dtype=np.float32)
    assert sklearn_input(load_use_case("shapes"), {"drawing": drawing}) is drawing
    columns = {"weight": np.array([[1], [np.nan]], dtype=np.float32), "colour": np.array([["a"], [""]], dtype=object)}
    frame = sklearn_input(load_use_case("toy"), columns)
    assert list(frame.columns) == ["weight", "colour"]
    assert frame["colour"].tolist() == ["a", ""]
    assert frame["weight"].isna().tolist() == [False, True]


def test_the_data_hash_is_of_all_the_rows(built: Built) -> None:
    built("toy")
    case = load_use_case("toy")
    before = data_sha256(case)
    assert len(before) == 64
    from portfolio.stages import prepare

    prepare.run(case, load_use_case("toy").config())
    assert data_sha256(case) == before
    batch = max(Paths("toy").clean.iterdir())
    pl.read_parquet(batch)[1:].write_parquet(batch)
    prepare.run(case, load_use_case("toy").config())
    assert data_sha256(case) != before
