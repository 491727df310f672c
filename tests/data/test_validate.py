"""Which rows of a batch are good, and what is said of the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from portfolio.contract.config import Validate
from portfolio.contract.loading import load_use_case
from portfolio.data.validate import check_batch, check_rows, repeated_keys, split_repeated
from tests.workspace import SMALL, edit_config, write_use_case

Checked = tuple[pl.DataFrame, pl.DataFrame]
Check = Callable[[pl.DataFrame], Checked]


@pytest.fixture
def raw(workspace: Path) -> pl.DataFrame:
    """A day of 1,000 melons, as the source delivers them."""
    source = load_use_case("toy").source
    (frame,) = source.read(source.dates()[:1]).values()
    return frame


@pytest.fixture
def checked(workspace: Path) -> Check:
    edit_config("toy", validate={"min_rows": 20})
    case, path = load_use_case("toy"), workspace / "2026-01-05.parquet"

    def check(frame: pl.DataFrame) -> Checked:
        frame.write_parquet(path)
        found = check_batch(path, case.schema(), case, case.config().validate_)
        assert pl.read_parquet(path).equals(frame), "raw data were changed"
        return found

    return check


def test_a_bad_row_keeps_its_form_and_has_its_reason(raw: pl.DataFrame, checked: Check) -> None:
    row = pl.int_range(pl.len())
    bad = raw.with_columns(
        weight=pl.when(row == 5).then(11.0).otherwise("weight"),
        melon=pl.when(row == 9).then(None).otherwise("melon"),
    )
    good, quarantined = checked(bad)
    assert len(good) == len(raw) - 2
    assert quarantined.drop("reason").equals(bad[[5, 9]]), "they are not as they came"
    assert "weight" in quarantined["reason"][0]
    assert "11" in quarantined["reason"][0]
    assert "melon" in quarantined["reason"][1]


def test_a_value_that_is_not_a_number_is_not_said_to_be_missing_too(workspace: Path) -> None:
    write_use_case("small")
    case = load_use_case("small")
    ages = ["３５歳", None, *["40"] * 48]
    raw = pl.DataFrame({"id": range(50), "age": ages, "town": ["A"] * 50, "bought": ["no"] * 50})
    _, bad = check_rows(raw, case.schema(), case, case.config().validate_)
    assert bad["reason"].to_list() == ["age: '３５歳' is not a number", "age: is missing"]


def test_a_batch_with_too_many_bad_rows_is_bad_as_a_whole(raw: pl.DataFrame, checked: Check) -> None:
    few = int(len(raw) * 0.05) + 1
    heavy = pl.when(pl.int_range(pl.len()) < few).then(11.0).otherwise("weight")
    good, bad = checked(raw.with_columns(weight=heavy))
    assert (len(good), len(bad)) == (0, len(raw))


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (lambda frame: frame.drop("ripe"), "the column 'ripe' is missing"),
        (lambda frame: frame.with_columns(weight=pl.concat_list("weight")), "weight"),
        (lambda frame: frame.with_columns(colour=pl.struct("colour")), "colour"),
        (lambda frame: frame.with_columns(surprise=1), "the column 'surprise' is neither an input nor ignored"),
        (lambda frame: frame[:19], "19 rows, fewer than 20"),
        (lambda frame: pl.concat([frame, frame]), "melon"),
    ],
    ids=["a column is missing", "a list", "a struct", "a column too many", "small", "twice"],
)
def test_a_batch_may_be_wrong_as_a_whole(
    raw: pl.DataFrame, checked: Check, broken: Callable[[pl.DataFrame], pl.DataFrame], reason: str
) -> None:
    frame = broken(raw)
    good, bad = checked(frame)
    assert (len(good), len(bad)) == (0, len(frame))
    assert reason in bad["reason"][0]


def test_the_types_that_the_rows_came_in_do_not_matter(raw: pl.DataFrame, checked: Check) -> None:
    expected, _ = checked(raw)
    text = raw.select(pl.all().cast(pl.String).fill_null(""))
    in_bytes = raw.with_columns(pl.col("melon", "ripe", "colour").cast(pl.Binary))
    for frame in (text, in_bytes, raw.with_columns(weight=pl.col("weight").fill_null(float("nan")))):
        good, bad = checked(frame)
        assert good.equals(expected)
        assert bad.is_empty()


def test_good_rows_have_the_declared_columns_in_one_form(raw: pl.DataFrame, checked: Check) -> None:
    good, _ = checked(raw)
    assert tuple(good.schema.items()) == (
        ("melon", pl.String),
        ("weight", pl.Float64),
        ("colour", pl.String),
        ("ripe", pl.String),
    )


@pytest.mark.parametrize("key", ["id", "file", "key"])
def test_keys_that_an_earlier_file_has_are_found(tmp_path: Path, key: str) -> None:
    assert repeated_keys(tmp_path, key) == {}
    for name, keys in {"1": ["a", "b"], "2": ["c", "b"], "3": ["a", "c", "d"]}.items():
        pl.DataFrame({key: keys}).write_parquet(tmp_path / name)
    assert {name: sorted(keys) for name, keys in repeated_keys(tmp_path, key).items()} == {"2": ["b"], "3": ["a", "c"]}


def test_rows_that_an_earlier_batch_delivered_are_told() -> None:
    clean = pl.DataFrame({"id": ["a", "c", "d"]})
    again = ["a", "c"]
    good, bad = split_repeated(clean, clean, again, "id", Validate(max_bad_fraction=1))
    assert good["id"].to_list() == ["d"]
    assert bad.to_dict(as_series=False) == {"id": ["a", "c"], "reason": ["id: was in an earlier batch"] * 2}
    good, bad = split_repeated(clean, clean, again, "id", Validate(max_bad_fraction=0.5))
    assert (len(good), len(bad)) == (0, 3)
    assert bad["reason"][0] == "2 of 3 rows were in an earlier batch, over 50%"


def test_a_column_that_is_named_reason_stays_beside_ours(workspace: Path) -> None:
    write_use_case("small", SMALL.replace('["A", "B"])]', '["A", "B"])]\n    ignore = ["reason", "reason_given"]'))
    case = load_use_case("small")
    raw = pl.DataFrame(
        {
            "id": range(50),
            "age": [*range(49), 500],
            "town": ["A"] * 50,
            "bought": ["no"] * 50,
            "reason": ["moved"] * 50,
            "reason_given": ["by post"] * 50,
        }
    )
    clean, bad = check_rows(raw, case.schema(), case, case.config().validate_)
    _, again = split_repeated(clean, raw, ["3"], "id", Validate(max_bad_fraction=1))
    _, whole = split_repeated(clean, raw, ["3"], "id", Validate(max_bad_fraction=0))
    for rows, reason in ((bad, "age"), (again, "earlier batch"), (whole, "earlier batch")):
        row = rows.row(-1, named=True)
        assert reason in row["reason"]
        assert (row["reason_given"], row["reason_given_given"]) == ("by post", "moved")


def test_keys_that_came_before_are_found_whatever_type_they_are_of(tmp_path: Path) -> None:
    """Their rows must not be lost between the good ones and the bad."""
    for raw in ([1.0, 2.0], [1, 2], [b"1", b"2"]):
        clean, came = pl.DataFrame({"id": ["1", "2"]}), pl.DataFrame({"id": raw})
        good, bad = split_repeated(clean, came, ["2"], "id", Validate(max_bad_fraction=1))
        assert (good["id"].to_list(), bad["id"].to_list()) == (["1"], [raw[1]])
