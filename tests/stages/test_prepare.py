import json
from pathlib import Path

import polars as pl
import pytest

from portfolio.bundle.manifest import PredefinedSplit
from portfolio.contract.loading import load_use_case
from portfolio.contract.sources import Cell
from portfolio.core.errors import DataError
from portfolio.core.paths import Paths
from portfolio.data.batches import FAIR
from portfolio.stages import prepare
from tests.workspace import edit_config

NAMES = ("train", "val", "test")


def put_clean(use_case: str, **batches: pl.DataFrame) -> None:
    folder = Paths(use_case).clean
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in batches.items():
        frame.write_parquet(folder / f"{name}.parquet")


def melons(numbers: range) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "melon": [f"melon-{number:05d}" for number in numbers],
            "weight": [float(number) for number in numbers],
            "colour": [("green", "yellow")[number % 2] for number in numbers],
            # The colour tells much, and not all.
            "ripe": [("true", "false")[(number + (number % 7 == 0)) % 2] for number in numbers],
        }
    )


def run(use_case: str = "toy") -> dict[str, pl.DataFrame]:
    prepare.run(load_use_case(use_case), load_use_case(use_case).config())
    return {name: pl.read_parquet(Paths(use_case).splits / f"{name}.parquet") for name in NAMES}


def test_every_row_is_in_exactly_one_split_with_its_batch(workspace: Path) -> None:
    put_clean("toy", one=melons(range(300)), two=melons(range(300, 500)))
    splits = run()
    rows = pl.concat(splits.values()).sort("melon")
    assert rows.drop("batch").equals(melons(range(500)))
    assert rows["batch"].to_list() == ["one"] * 300 + ["two"] * 200


def test_the_fractions_are_those_of_the_config(workspace: Path) -> None:
    put_clean("toy", one=melons(range(2000)))
    before = run()
    edit_config("toy", prepare={"val_fraction": 0.4})
    after = run()
    assert after["test"].equals(before["test"])
    assert set(before["val"]["melon"]) < set(after["val"]["melon"])


def test_a_split_that_the_data_bring_comes_first(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = load_use_case("toy")
    monkeypatch.setattr(case.source, "split", PredefinedSplit("part", val="dev"))
    parts = ["train", "train", "dev", "test", ""] * 100
    put_clean("toy", one=melons(range(500)).with_columns(pl.Series("part", parts)))
    prepare.run(case, case.config())
    for name, part in (("train", "train"), ("val", "dev"), ("test", "test")):
        found = pl.read_parquet(Paths("toy").splits / f"{name}.parquet")["part"].to_list()
        assert found.count(part) == parts.count(part)
        assert set(found) <= {part, ""}


def test_rows_that_repeat_a_training_row_are_counted_and_named(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_clean("toy", one=melons(range(500)))
    splits = run()
    assert "inputs of a training row: val 0 of" in capsys.readouterr().out
    # Every test row like some training row, and the first of them with another target; of validation rows, one.
    train, val, test = (splits[name].drop("batch") for name in NAMES)
    columns = ["weight", "colour", "ripe"]
    test = pl.concat([test.drop(columns), train[: len(test)].select(columns)], how="horizontal").select(train.columns)
    turned = pl.col("ripe").replace_strict({"true": "false", "false": "true"})
    test = test.with_columns(ripe=pl.when(pl.int_range(pl.len()) == 0).then(turned).otherwise("ripe"))
    first = pl.concat([val[:1].drop(columns), train[:1].select(columns)], how="horizontal").select(train.columns)
    val = pl.concat([first, val[1:]])
    put_clean("toy", one=pl.concat([train, val, test]))
    again = run()
    assert [set(again[name]["melon"]) for name in NAMES] == [set(part["melon"]) for part in (train, val, test)]
    assert json.loads(Paths("toy").metrics("prepare").read_text()) == {
        "rows": {"train": len(train), "val": len(val), "test": len(test)},
        "duplicates": {
            "val": {"rows": 1, "other_target": 0},
            "test": {"rows": len(test), "other_target": 1},
        },
    }
    named = f"val 1 of {len(val)} (0 with another target), test {len(test)} of {len(test)} (1 with another target)"
    assert named in capsys.readouterr().out


def test_labels_that_are_no_fair_sample_are_not_learned_from_beside_the_rows_that_models_are_judged_by(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(load_use_case("toy").source, "split_by", (Cell("weight", 10),))
    back = melons(range(0, 600, 3)).with_columns(
        (pl.lit("back-") + pl.col("melon")).alias("melon"),
        (pl.int_range(pl.len()) % 4 == 0).alias(FAIR),
        # One that lacks what is shared stands on its own.
        weight=pl.when(pl.int_range(pl.len()) < 10).then(None).otherwise(pl.col("weight")),
    )
    put_clean("toy", one=melons(range(600)), back=back)
    splits = run()
    cells = {name: set((part["weight"] / 10 + 0.5).floor().drop_nulls()) for name, part in splits.items()}
    assert not cells["train"] & (cells["val"] | cells["test"])
    left_out = 600 + len(back) - sum(map(len, splits.values()))
    assert left_out > 0
    assert f"left out: {left_out} rows of labels that came back" in capsys.readouterr().out
    unfair = set(back.filter(~pl.col(FAIR) & pl.col("weight").is_null())["melon"])
    assert unfair <= set(splits["train"]["melon"])


def test_too_few_rows_are_an_error_and_the_old_splits_stay(workspace: Path) -> None:
    put_clean("toy", one=melons(range(500)))
    before = run()
    put_clean("toy", one=melons(range(1)))
    with pytest.raises(DataError, match="split of 'toy' is empty: 1 row can't fill it"):
        run()
    folder = Paths("toy").splits
    assert pl.read_parquet(folder / "train.parquet").equals(before["train"])
    assert [path for path in folder.parent.iterdir() if path.name.endswith(".partial")] == []


def test_training_rows_of_one_class_are_an_error_with_the_remedy(workspace: Path) -> None:
    put_clean("toy", one=melons(range(500)).with_columns(ripe=pl.lit("true")))
    with pytest.raises(DataError, match=r"All \d+ training rows of 'toy' are of one class.*no row of class unripe"):
        run()


def test_an_input_that_gives_the_target_away_stops_the_run_unless_it_is_trusted(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = melons(range(500)).with_columns(colour=pl.col("ripe").replace({"true": "green", "false": "yellow"}))
    put_clean("toy", one=told)
    with pytest.raises(DataError, match=r"'colour' alone tells 100.0% of the target.*trusted = \['colour'\]"):
        run()
    assert not Paths("toy").splits.exists()
    monkeypatch.setattr(type(load_use_case("toy")), "trusted", ["colour"])
    assert sum(len(part) for part in run().values()) == 500
