from datetime import date
from pathlib import Path

import polars as pl
import pytest

from portfolio.config import load_config
from portfolio.errors import DataError
from portfolio.paths import Paths
from portfolio.source import collect
from portfolio.stages import validate
from portfolio.use_case import UseCase, load_use_case

FIRST, SECOND = "2026-01-05.parquet", "2026-01-06.parquet"


@pytest.fixture
def digits(workspace: Path) -> UseCase:
    """Digits with the batches of the config, collected."""
    use_case = load_use_case("digits")
    collect(use_case.source(load_config("digits")), Paths("digits").batches)
    return use_case


def run(use_case: UseCase) -> None:
    validate.run(use_case, load_config(use_case.name))


def change(name: str, *columns: pl.Expr) -> pl.DataFrame:
    path = Paths("digits").batches / name
    frame = pl.read_parquet(path).with_columns(*columns)
    frame.write_parquet(path)
    return frame


def reasons(name: str) -> list[str]:
    return pl.read_parquet(Paths("digits").quarantine / name)["reason"].to_list()


def test_good_batches_pass_as_they_are(digits: UseCase) -> None:
    run(digits)
    assert list(Paths("digits").quarantine.iterdir()) == []
    for path in Paths("digits").batches.iterdir():
        assert pl.read_parquet(path).equals(pl.read_parquet(Paths("digits").clean / path.name))


def test_a_bad_row_goes_to_quarantine_with_its_reason(digits: UseCase) -> None:
    frame = change(FIRST, pl.when(pl.int_range(pl.len()) == 3).then(11).otherwise("digit").cast(pl.Int8).alias("digit"))
    run(digits)
    (reason,) = reasons(FIRST)
    assert "digit" in reason
    assert "11" in reason
    kept = pl.read_parquet(Paths("digits").clean / FIRST)
    assert len(kept) == len(frame) - 1
    assert frame["form_id"][3] not in kept["form_id"].to_list()


def test_too_much_ink_is_found(digits: UseCase) -> None:
    first = pl.int_range(pl.len()) == 0
    change(
        FIRST, pl.when(first).then(pl.lit([17] * 64, dtype=pl.Array(pl.UInt8, 64))).otherwise("pixels").alias("pixels")
    )
    run(digits)
    assert ["ink" in reason for reason in reasons(FIRST)] == [True]


def test_a_batch_with_too_many_bad_rows_goes_whole(digits: UseCase) -> None:
    frame = change(FIRST, pl.when(pl.int_range(pl.len()) < 10).then(-1).otherwise("digit").cast(pl.Int8).alias("digit"))
    run(digits)
    assert not (Paths("digits").clean / FIRST).exists()
    assert reasons(FIRST) == [reasons(FIRST)[0]] * len(frame)
    assert "10 of" in reasons(FIRST)[0]


@pytest.mark.parametrize(
    ("change_batch", "reason"),
    [
        (lambda frame: frame.rename({"digit": "number"}), "'digit' is missing"),
        (lambda frame: frame.with_columns(pl.col("digit").cast(pl.String)), "digit"),
        (lambda frame: frame.with_columns(pl.lit(1).alias("more")), "no column 'more'"),
        (lambda frame: frame.head(5), "fewer than 20"),
        (lambda frame: frame.filter(pl.col("digit") != 4), "no row of class 4"),
    ],
    ids=["column missing", "wrong type", "column too many", "too small", "class missing"],
)
def test_a_batch_of_the_wrong_form_goes_whole(digits: UseCase, change_batch: object, reason: str) -> None:
    path = Paths("digits").batches / FIRST
    change_batch(pl.read_parquet(path)).write_parquet(path)
    run(digits)
    assert not (Paths("digits").clean / FIRST).exists()
    assert reason in reasons(FIRST)[0]
    assert (Paths("digits").clean / SECOND).exists()


def test_a_row_that_was_delivered_before_is_bad(digits: UseCase) -> None:
    key = pl.read_parquet(Paths("digits").batches / FIRST)["form_id"][0]
    change(SECOND, pl.when(pl.int_range(pl.len()) == 0).then(pl.lit(key)).otherwise("form_id").alias("form_id"))
    run(digits)
    assert reasons(SECOND) == ["form_id: was in an earlier batch"]
    assert key in pl.read_parquet(Paths("digits").clean / FIRST)["form_id"].to_list()


def test_a_batch_that_was_delivered_before_goes_whole(digits: UseCase) -> None:
    first = pl.read_parquet(Paths("digits").batches / FIRST)
    first.with_columns(pl.lit(date(2026, 1, 6)).alias("scanned_on")).write_parquet(Paths("digits").batches / SECOND)
    run(digits)
    assert not (Paths("digits").clean / SECOND).exists()
    assert "were in an earlier batch" in reasons(SECOND)[0]


def test_a_refused_batch_may_be_delivered_again(digits: UseCase) -> None:
    good = pl.read_parquet(Paths("digits").batches / FIRST)
    change(FIRST, pl.lit(-1).cast(pl.Int8).alias("digit"))
    good.with_columns(pl.lit(date(2026, 1, 6)).alias("scanned_on")).write_parquet(Paths("digits").batches / SECOND)
    run(digits)
    assert not (Paths("digits").clean / FIRST).exists()
    assert len(pl.read_parquet(Paths("digits").clean / SECOND)) == len(good)


def test_a_file_cut_off_is_named_and_nothing_is_lost(digits: UseCase) -> None:
    run(digits)
    before = {path.name: path.read_bytes() for path in Paths("digits").clean.iterdir()}
    path = Paths("digits").batches / FIRST
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=rf"{FIRST} can't be read.*portfolio collect digits"):
        run(digits)
    assert before == {path.name: path.read_bytes() for path in Paths("digits").clean.iterdir()}


def test_when_every_batch_is_bad_it_says_why(digits: UseCase) -> None:
    for path in Paths("digits").batches.iterdir():
        change(path.name, pl.lit(-1).cast(pl.Int8).alias("digit"))
    with pytest.raises(DataError, match=r"Every batch of 'digits' is bad.*raw batches are as they were"):
        run(digits)
