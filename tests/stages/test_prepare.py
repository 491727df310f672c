from pathlib import Path

import numpy as np
import polars as pl
import pytest

from portfolio.contract.loading import load_use_case
from portfolio.core.errors import DataError
from portfolio.core.paths import Paths
from portfolio.stages import prepare
from tests.conftest import edit_config

NAMES = ("train", "val", "test")


def put_clean(use_case: str, **batches: pl.DataFrame) -> None:
    folder = Paths(use_case).clean
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in batches.items():
        frame.write_parquet(folder / f"{name}.parquet")


def forms(numbers: range) -> pl.DataFrame:
    return pl.DataFrame({"form_id": [f"form-{number:05d}" for number in numbers], "digit": [n % 10 for n in numbers]})


def run(use_case: str = "toy") -> dict[str, pl.DataFrame]:
    prepare.run(load_use_case(use_case), load_use_case(use_case).config())
    return {name: pl.read_parquet(Paths(use_case).splits / f"{name}.parquet") for name in NAMES}


def test_every_row_is_in_exactly_one_split_with_its_batch(workspace: Path) -> None:
    put_clean("toy", one=forms(range(300)), two=forms(range(300, 500)))
    splits = run()
    rows = pl.concat(splits.values()).sort("form_id")
    assert rows.drop("batch").equals(forms(range(500)))
    assert rows["batch"].to_list() == ["one"] * 300 + ["two"] * 200


def test_the_shares_are_those_of_the_config(workspace: Path) -> None:
    put_clean("toy", one=forms(range(20_000)))
    edit_config("toy", prepare={"test_fraction": 0.3, "val_fraction": 0.1})
    splits = run()
    # Four standard deviations of a share of 20,000 rows are at most 0.013.
    for name, share in (("test", 0.3), ("val", 0.1), ("train", 0.6)):
        assert len(splits[name]) / 20_000 == pytest.approx(share, abs=0.013)


def test_a_row_never_moves_when_data_grow(workspace: Path) -> None:
    put_clean("toy", one=forms(range(500)))
    before = run()
    put_clean("toy", one=forms(range(499, -1, -1)), two=forms(range(500, 3000)))
    after = run()
    for name in NAMES:
        old, new = set(before[name]["form_id"]), set(after[name]["form_id"])
        assert old
        assert new & set(forms(range(500))["form_id"]) == old


def test_a_larger_validation_split_takes_no_row_from_test(workspace: Path) -> None:
    put_clean("toy", one=forms(range(2000)))
    before = run()
    edit_config("toy", prepare={"val_fraction": 0.4})
    after = run()
    assert after["test"].equals(before["test"])
    assert set(before["val"]["form_id"]) < set(after["val"]["form_id"])


def test_districts_at_one_place_share_a_split(workspace: Path) -> None:
    random = np.random.default_rng(0)
    places = pl.DataFrame(
        {
            "district_id": [f"district-{number:05d}" for number in range(2000)],
            "longitude": random.integers(-1240, -1150, 2000) / 10,
            "latitude": random.integers(330, 335, 2000) / 10,
        }
    )
    put_clean("housing", one=places[:1000], two=places[1000:])
    splits = run("housing")
    found = [set(splits[name].select("longitude", "latitude").iter_rows()) for name in NAMES]
    assert sum(len(part) for part in found) == len(set.union(*found)) > 400


def test_too_few_rows_are_an_error_and_the_old_splits_stay(workspace: Path) -> None:
    put_clean("toy", one=forms(range(500)))
    before = run()
    put_clean("toy", one=forms(range(1)))
    with pytest.raises(DataError, match="split of 'toy' is empty: 1 rows are too few"):
        run()
    folder = Paths("toy").splits
    assert pl.read_parquet(folder / "train.parquet").equals(before["train"])
    assert [path for path in folder.parent.iterdir() if path.name.endswith(".partial")] == []
