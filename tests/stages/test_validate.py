import json
from pathlib import Path

import polars as pl
import pytest

from portfolio.core.errors import DataError
from portfolio.core.paths import Paths
from tests.workspace import collect, edit_config, run_stage

PATHS = Paths("toy")


@pytest.fixture
def batches(workspace: Path) -> list[Path]:
    """Three collected days of 1,000 melons each."""
    edit_config("toy", collect={"until": "2026-01-07"}, validate={"min_rows": 20})
    collect("toy")
    return sorted(PATHS.batches.glob("*.parquet"))


def folder(path: Path) -> dict[str, pl.DataFrame]:
    return {file.stem: pl.read_parquet(file) for file in sorted(path.glob("*.parquet"))}


def test_good_batches_pass_as_they_are(batches: list[Path]) -> None:
    run_stage("validate", "toy")
    assert {name: len(frame) for name, frame in folder(PATHS.clean).items()} == {
        path.stem: len(pl.read_parquet(path)) for path in batches
    }
    assert folder(PATHS.quarantine) == {}
    counts = json.loads(PATHS.metrics("validate").read_text())
    assert (counts["batches"], counts["bad_rows"]) == (3, 0)


def test_a_bad_row_goes_to_quarantine_with_its_reason(batches: list[Path]) -> None:
    raw = pl.read_parquet(batches[0])
    heavy = pl.when(pl.int_range(pl.len()).is_in([5, 9])).then(11.0).otherwise("weight")
    bad = raw.with_columns(weight=heavy)
    bad.write_parquet(batches[0])
    run_stage("validate", "toy")
    good, quarantined = folder(PATHS.clean)[batches[0].stem], folder(PATHS.quarantine)[batches[0].stem]
    assert len(good) == len(raw) - 2
    assert quarantined.drop("reason").equals(bad[[5, 9]]), "they are not as they came"
    assert "weight" in quarantined["reason"][0]
    assert json.loads(PATHS.metrics("validate").read_text())["bad_rows"] == 2
    assert pl.read_parquet(batches[0]).equals(bad), "raw data were changed"


def test_a_batch_with_too_many_bad_rows_goes_whole(batches: list[Path]) -> None:
    raw = pl.read_parquet(batches[1])
    few = int(len(raw) * 0.05) + 1
    heavy = pl.when(pl.int_range(pl.len()) < few).then(11.0).otherwise("weight")
    raw.with_columns(weight=heavy).write_parquet(batches[1])
    run_stage("validate", "toy")
    assert set(folder(PATHS.clean)) == {batches[0].stem, batches[2].stem}
    assert len(folder(PATHS.quarantine)[batches[1].stem]) == len(raw)


def test_a_batch_without_rows_is_told(batches: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    """It leaves no row in quarantine whose reason could be read."""
    pl.read_parquet(batches[1]).clear().write_parquet(batches[1])
    run_stage("validate", "toy")
    assert set(folder(PATHS.clean)) == {batches[0].stem, batches[2].stem}
    assert json.loads(PATHS.metrics("validate").read_text())["quarantined_batches"] == 1
    assert capsys.readouterr().out.endswith(f"; batches without a row: {batches[1].stem}\n")


def test_a_batch_without_one_of_the_classes_is_kept_with_a_word(
    batches: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """In a small batch a rare class may be missing by chance."""
    unripe = pl.read_parquet(batches[0]).filter(~pl.col("ripe"))
    unripe.write_parquet(batches[0])
    run_stage("validate", "toy")
    assert len(folder(PATHS.clean)[batches[0].stem]) == len(unripe)
    assert folder(PATHS.quarantine) == {}
    assert capsys.readouterr().out.endswith("; no row of class ripe in 1 of 3 batches\n")


def heavy(paths: list[Path]) -> None:
    for path in paths:
        pl.read_parquet(path).with_columns(weight=11.0).write_parquet(path)


def test_most_rows_in_quarantine_are_a_failure_with_the_reasons_and_the_remedy(batches: list[Path]) -> None:
    run_stage("validate", "toy")
    before = folder(PATHS.clean)
    heavy(batches[:2])
    with pytest.raises(
        DataError,
        match=r"(?s)67% of the rows of 'toy' are bad.*2,000 rows: 1000 of 1000 rows are bad.*weight.*found '?11"
        r".*use_case\.py.*portfolio recollect toy.*raise validate\.max_quarantined_fraction in configs/toy\.yaml",
    ):
        run_stage("validate", "toy")
    assert list(folder(PATHS.clean)) == list(before)
    edit_config("toy", validate={"max_quarantined_fraction": 0.7})
    run_stage("validate", "toy")
    assert list(folder(PATHS.clean)) == [batches[2].stem]


def test_batches_after_a_lowered_until_are_left_out(batches: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    edit_config("toy", collect={"until": "2026-01-06"})
    run_stage("validate", "toy")
    assert list(folder(PATHS.clean)) == ["2026-01-05", "2026-01-06"]
    assert "batches after collect.until (2026-01-06), which are left out: 1" in capsys.readouterr().out
    edit_config("toy", collect={"until": "2025-12-31"})
    with pytest.raises(DataError, match=r"holds 3 batches, all after collect\.until \(2025-12-31\)"):
        run_stage("validate", "toy")


@pytest.mark.parametrize("size", [0, 10, 0.5, -1], ids=["empty", "ten bytes", "half", "all but one byte"])
def test_a_file_that_is_cut_off_is_named_and_the_clean_data_stay(batches: list[Path], size: float) -> None:
    run_stage("validate", "toy")
    before = {path: path.read_bytes() for path in PATHS.clean.iterdir()}
    raw = batches[1].read_bytes()
    batches[1].write_bytes(raw[: int(size * len(raw)) if 0 < size < 1 else int(size)])
    with pytest.raises(DataError, match=rf"{batches[1].name}.*(?s:.*)portfolio recollect toy --date {batches[1].stem}"):
        run_stage("validate", "toy")
    assert {path: path.read_bytes() for path in PATHS.clean.iterdir()} == before
    batches[1].unlink()
    assert collect("toy").added == [batches[1].stem]
    run_stage("validate", "toy")
    assert {path: path.read_bytes() for path in PATHS.clean.iterdir()} == before


def test_when_every_batch_is_bad_the_clean_data_stay(batches: list[Path]) -> None:
    run_stage("validate", "toy")
    before = folder(PATHS.clean)
    for path in batches:
        pl.read_parquet(path).drop("ripe").write_parquet(path)
    with pytest.raises(DataError, match="ripe"):
        run_stage("validate", "toy")
    assert list(folder(PATHS.clean)) == list(before)


def test_a_row_that_was_delivered_before_is_bad(batches: list[Path]) -> None:
    key = pl.read_parquet(batches[0])["melon"][0]
    second = pl.read_parquet(batches[1])
    first_row = pl.int_range(pl.len()) == 0
    second.with_columns(melon=pl.when(first_row).then(pl.lit(key)).otherwise("melon")).write_parquet(batches[1])
    run_stage("validate", "toy")
    assert folder(PATHS.quarantine)[batches[1].stem]["reason"].to_list() == ["melon: was in an earlier batch"]
    assert key in folder(PATHS.clean)[batches[0].stem]["melon"].to_list()


def test_a_batch_that_was_delivered_before_goes_whole(batches: list[Path]) -> None:
    pl.read_parquet(batches[0]).write_parquet(batches[1])
    run_stage("validate", "toy")
    assert set(folder(PATHS.clean)) == {batches[0].stem, batches[2].stem}
    assert "were in an earlier batch" in folder(PATHS.quarantine)[batches[1].stem]["reason"][0]


def test_of_an_export_of_all_rows_so_far_the_new_ones_are_taken(
    batches: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = (pl.read_parquet(path) for path in batches)
    pl.concat([first, second.head(60)]).write_parquet(batches[1])
    # After a year of them, most rows were there before.
    pl.concat([first, second.head(60), third.head(50)]).write_parquet(batches[2])
    run_stage("validate", "toy")
    assert [len(rows) for rows in folder(PATHS.clean).values()] == [1000, 60, 50]
    repeated = folder(PATHS.quarantine)[batches[2].stem]
    assert (len(repeated), set(repeated["reason"])) == (1060, {"melon: was in an earlier batch"})


def test_where_the_numbers_of_the_rows_began_anew_the_batch_goes_whole(batches: list[Path]) -> None:
    first, second = pl.read_parquet(batches[0]), pl.read_parquet(batches[1])
    anew = pl.concat([first["melon"].head(900), second["melon"].head(100)])
    second.with_columns(melon=anew).write_parquet(batches[1])
    run_stage("validate", "toy")
    assert set(folder(PATHS.clean)) == {batches[0].stem, batches[2].stem}
    assert "900 of 1000 rows were in an earlier batch" in folder(PATHS.quarantine)[batches[1].stem]["reason"][0]


def test_a_refused_batch_may_be_delivered_again(batches: list[Path]) -> None:
    good = pl.read_parquet(batches[0])
    good.drop("ripe").write_parquet(batches[0])
    good.write_parquet(batches[1])
    run_stage("validate", "toy")
    assert set(folder(PATHS.clean)) == {batches[1].stem, batches[2].stem}
