"""What a use case would declare about a file, and what is left out of it and why."""

from __future__ import annotations

import re
from datetime import date, timedelta
from math import isfinite
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from portfolio.contract.targets import Classes
from portfolio.core.errors import ConfigError, DataError
from portfolio.profiling.draft import Draft, Wanted, draft
from portfolio.profiling.sample import sample
from portfolio.profiling.writing import use_case_text
from tests.profiling.made import (
    AGES,
    ANSWERS,
    PLAIN,
    RANDOM,
    ROWS,
    SIZES,
    TOWNS,
    csv_text,
    drafted,
    with_column,
    workbook,
)


def left_out(found: Draft, name: str) -> str:
    assert found.decisions[name].role == "left out"
    return found.decisions[name].why


def test_plain_columns_are_inputs(tmp_path: Path) -> None:
    found = drafted(tmp_path, csv_text(PLAIN))
    assert {column.name: column.kind for column in found.inputs} == {
        "age": "number",
        "size": "number",
        "town": "category",
    }
    assert list(found.counts) == ["no", "yes"]
    assert not found.quantity


@pytest.mark.parametrize("prices", [[10_000_000 + 1_000 * place for place in range(ROWS)], list(range(ROWS))])
def test_a_target_of_integers_that_each_come_once_is_a_quantity(tmp_path: Path, prices: list[int]) -> None:
    found = drafted(tmp_path, with_column("price", prices), "price")
    assert (found.quantity, found.key) == (True, "")


def test_a_target_of_decimal_commas_beside_points_says_how_to_write_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"numbers with a decimal comma, such as \d+,70: write them as \d+\.70"):
        drafted(tmp_path, with_column("price", [f"{number},70" for number in range(ROWS)]), "price")


@pytest.mark.parametrize(("name", "hint"), [("customer_id", True), ("客番号", True), ("visits", False)])
def test_an_id_that_rows_share_may_keep_them_together(tmp_path: Path, name: str, hint: bool) -> None:
    found = drafted(tmp_path, with_column(name, [1000 + number // 3 * 7 for number in range(ROWS)]))
    assert (f"--split-by {name}" in found.decisions[name].why) is hint


def test_labels_of_merged_cells_are_told(tmp_path: Path) -> None:
    found = drafted(
        tmp_path, with_column("region", [f"region {number}" if number % 60 == 0 else "" for number in NUMBERS])
    )
    assert "If an empty cell means the one above it, as merged cells do, fill it in" in left_out(found, "region")


def test_durations_are_no_classes(tmp_path: Path) -> None:
    took = [f"1:{number % 59:02d}:00" for number in NUMBERS]
    with pytest.raises(DataError, match="of a duration, the minutes"):
        drafted(tmp_path, with_column("took", took), "took")


@pytest.mark.parametrize(("first", "said"), [(0, True), (1, True), (18, False)])
def test_numbers_that_may_name_classes_say_how_to_declare_them(tmp_path: Path, first: int, said: bool) -> None:
    letters = [first + number % 26 for number in range(ROWS)]
    found = drafted(tmp_path, with_column("letter", letters), "letter")
    assert found.quantity
    expected = f'Classes("letter", list(range({first}, {first + 26})))'
    assert any(expected in note for note in found.notes) is said
    # The line does what it says.
    assert Classes("letter", list(range(first, first + 26))).output.labels[:2] == (str(first), str(first + 1))


NUMBERS = list(range(ROWS))
LEFT_OUT: dict[str, tuple[list[Any], str]] = {
    "constant": (["x"] * ROWS, "the same in every row"),
    "empty": ([""] * ROWS, "empty in every row"),
    "code": ([f"K{number // 3}" for number in NUMBERS], "too many to be categories"),
    "text": ([f"a nice room with a view {number}" for number in NUMBERS], "free text"),
    "twin": ([f"in {town}" for town in TOWNS], "says the same as"),
    "leak": (["paid" if answer == "yes" else "open" for answer in ANSWERS], "gives the target away"),
    "": (list(range(5, 5 + ROWS)), "has no name"),
    "sold": ([f"1/{number % 28 + 1}/2025" for number in NUMBERS], "write them as 2026-01-31"),
    "time": ([f"{number % 24}:{number * 7 % 60:02d}" for number in NUMBERS], "times of day, such as"),
    "remark": (
        [f"駅から近くて静かな部屋でした{number}号" for number in NUMBERS],
        "free text (18 characters on average)",
    ),
    "remarks": ([f"a quiet room by the station, {number}" for number in NUMBERS], "free text (7 words on average)"),
    "price": ([f"{number},70" for number in NUMBERS], "numbers with a decimal comma, such as"),
    "share": ([f"{number},5 %" for number in NUMBERS], "write the numbers alone"),
    "amount": ([f"{number} {('CR', 'Dr.')[number % 2]}" for number in NUMBERS], "amounts of credit or debit, such as"),
    "balance": ([f"{number} CR" if number % 3 else str(number) for number in NUMBERS], "credit or debit, such as"),
    "issued": ([f"{month}-2025" for month in ("Jan", "Feb", "Mar") * 100], "of which new rows have later ones"),
    "year": ([f"平成{number % 9 + 1}年" for number in NUMBERS], "of which new rows have later ones"),
    "week": ([f"2024-W{number % 52 + 1:02d}" for number in NUMBERS], "of which new rows have later ones"),
    "visit": (
        [f"{number % 28 + 1:02d}-Jan-{1700 + number}" for number in NUMBERS],
        "-Jan-1",
    ),
    "created": (
        [f"Feb {number % 28 + 1}, 2026 {number % 12 + 1}:30 AM" for number in NUMBERS],
        "dates, such as Feb ",
    ),
    "sent": (
        [f"Mon, {number % 28 + 1} Jan 2026 08:00:{number % 60:02d} +0900" for number in NUMBERS],
        "dates, such as Mon,",
    ),
    "answered": (
        [f"2026/04/{number % 28 + 1:02d} {number % 12 + 1}:07:{number % 60:02d} 午後 GMT+9" for number in NUMBERS],
        "午後 GMT+9: write each as 2026-01-31",
    ),
    "era": ([f"令和8年{number % 12 + 1}月{number % 28 + 1}日" for number in NUMBERS], "日: write each as 2026-01-31"),
    "short_era": ([f"R8.{number % 12 + 1}.{number % 28 + 1}" for number in NUMBERS], "dates, such as R8."),
    "begins": ([f"午後{number % 12}時{number % 60}分" for number in NUMBERS], "分: write the hour as a number"),
    "opens": ([f"{number % 12 + 1}:{number % 60:02d} PM" for number in NUMBERS], "times of day, such as"),
    "followers": (
        [f"{number % 90}.5K" if number % 3 else f"{number}.1M" for number in NUMBERS],
        "with a sign or a unit",
    ),
    "views": ([f"{number}万" if number % 3 else f"{1000 * number}" for number in NUMBERS], "with a sign or a unit"),
    "tweet": (
        [1_790_000_000_000_000_000 + 7_919_000_017 * (number // 3) for number in NUMBERS],
        "too many to be categories",
    ),
    "took": (
        [f"{number % 30}h {number % 47}m" for number in NUMBERS],
        "write each as one number, all in the same unit",
    ),
    "tenure": ([f"{number % 40}年{number % 11}か月" for number in NUMBERS], "durations, such as"),
    "idle": ([f"{number} days 00:00:00" for number in NUMBERS], "durations, such as"),
    "pressure": (
        [f"{100 + number % 90}/{60 + number % 41}" for number in [*NUMBERS[:-40], *NUMBERS[:40]]],
        "two numbers in one cell",
    ),
    "place": (
        [f"35.{number:03d}, 139.{number:03d}" for number in NUMBERS],
        "two numbers in one cell, such as 35.",
    ),
    "properties": ([f'{{"os": "ios", "count": {number % 9}}}' for number in NUMBERS], "JSON, such as"),
    "tags": ([f"['a', '{number % 9}']" for number in NUMBERS], "JSON, such as"),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_no_model_should_see_is_left_out_and_says_why(tmp_path: Path, name: str) -> None:
    values, why = LEFT_OUT[name]
    found = drafted(tmp_path, with_column(name, values))
    # Of two that say the same, the first is kept.
    assert why in (left_out(found, "town") if name == "twin" else left_out(found, name))
    assert len(found.inputs) == 3


def test_ids_that_look_like_two_numbers_are_the_key(tmp_path: Path) -> None:
    assert drafted(tmp_path, with_column("invoice", [f"2026/{1000 + number}" for number in NUMBERS])).key == "invoice"


def test_dates_that_can_not_be_read_are_not_offered_as_a_text(tmp_path: Path) -> None:
    found = drafted(tmp_path, with_column("created", LEFT_OUT["created"][0]))
    assert not any("--text" in note for note in found.notes)


@pytest.mark.parametrize("step", [2, 7_919_000_017])
def test_integers_of_more_digits_than_a_number_holds_are_ids(tmp_path: Path, step: int) -> None:
    assert drafted(tmp_path, with_column("tweet", [1_790_000_000_000_000_000 + step * row for row in NUMBERS])).key


@pytest.mark.parametrize(("every", "said"), [(1, False), (2, True)])
def test_numbers_of_which_some_have_no_unit_are_said(tmp_path: Path, every: int, said: bool) -> None:
    shares = [f"{number}%" if number % every == 0 else str(number / 100) for number in NUMBERS]
    why = drafted(tmp_path, with_column("share", shares)).decisions["share"].why
    assert ("have no %, and are taken as with it" in why) is said


def test_a_name_whose_marks_stand_apart_in_the_file_is_told(tmp_path: Path) -> None:
    content = csv_text({"ga\u0308ste": AGES, **PLAIN})
    with pytest.raises(ConfigError, match=r"is written there with its marks apart.*Rename the column"):
        drafted(tmp_path, content, "g\u00e4ste")


def test_an_id_that_a_few_rows_lack_is_no_input_and_says_so(tmp_path: Path) -> None:
    ids: list[object] = list(range(ROWS))
    ids[7] = ""
    found = drafted(tmp_path, with_column("id", ids))
    assert not found.key
    assert "names the rows" in left_out(found, "id")
    assert "missing in 0.3%, so it can't be the key" in left_out(found, "id")


@pytest.mark.parametrize(
    ("values", "unit", "highest"),
    [
        ([f"{number / 10}%" for number in NUMBERS], "%", 29.9),
        ([f"¥{1000 * number:,}" for number in NUMBERS], "¥", 299_000),
        ([f"USD {1000 * number:,}" for number in NUMBERS], "USD", 299_000),
        ([f"{1000 * number:,} 千人" if number % 20 else "…" for number in NUMBERS], "千人", 299_000),
        ([f"{number % 40}分".translate({ord("1"): "\uff11"}) for number in NUMBERS], "分", 39),
        ([f"{10 * number:,}km" if number % 3 == 0 else str(10 * number) for number in NUMBERS], "km", 2_990),
        ([f"-¥{number}" if number % 2 else f"¥{number}" for number in NUMBERS], "¥", 298),
        ([f"\\{1000 * number:,}" for number in NUMBERS], "¥", 299_000),
        ([f"△{number}" if number % 2 else str(number) for number in NUMBERS], "", 298),
        ([f"{number}.50-" if number % 2 else f"{number}.50" for number in NUMBERS], "", 298.5),
        ([f'="{number}.5"' for number in NUMBERS], "", 299.5),
    ],
)
def test_numbers_that_have_their_unit_with_them_are_numbers(
    tmp_path: Path, values: list[str], unit: str, highest: float
) -> None:
    found = drafted(tmp_path, with_column("measured", values)).decisions["measured"]
    assert (found.role, found.column.kind, found.column.unit) == ("input", "number", unit)
    assert found.column.maximum == highest


def test_a_few_lengths_are_categories(tmp_path: Path) -> None:
    found = drafted(tmp_path, with_column("term", ["36 months", "60 months"] * (ROWS // 2)))
    assert found.decisions["term"].column.kind == "category"


def test_a_number_of_each_row_that_is_called_one_is_the_key(tmp_path: Path) -> None:
    numbers = [7919 * number % 100_003 for number in range(1, ROWS + 1)]
    assert drafted(tmp_path, with_column("customer_id", numbers)).key == "customer_id"
    assert drafted(tmp_path, with_column("income", numbers)).key == ""


def test_where_nearly_all_rows_are_of_one_class_the_metric_looks_at_the_other(tmp_path: Path) -> None:
    rare = ["yes" if number % 25 == 0 else "no" for number in NUMBERS]
    assert drafted(tmp_path, csv_text({**PLAIN, "bought": rare})).metric == "average_precision"
    assert drafted(tmp_path, csv_text(PLAIN)).metric == ""


def test_a_number_for_each_row_is_the_key(tmp_path: Path) -> None:
    found = drafted(tmp_path, with_column("id", list(range(1, ROWS + 1))))
    assert (found.key, found.decisions["id"].role) == ("id", "key")


@pytest.mark.parametrize(("name", "first"), [("Unnamed: 0", 0), ("Unnamed: 0.1", 7), ("no", 1), ("index", 0)])
def test_numbers_that_may_begin_anew_in_the_next_file_are_no_key(tmp_path: Path, name: str, first: int) -> None:
    content = with_column(name, list(range(first, first + ROWS)))
    found = drafted(tmp_path, content)
    assert found.key == ""
    assert "the next file may begin anew" in left_out(found, name)
    assert drafted(tmp_path, content, key=name).key == name


def test_parts_that_add_up_to_the_target_are_left_out_together(tmp_path: Path) -> None:
    casual, registered = RANDOM.integers(0, 900, ROWS), RANDOM.integers(0, 5000, ROWS)
    found = drafted(
        tmp_path,
        csv_text({"casual": casual, "registered": registered, "age": AGES, "count": casual + registered}),
        "count",
    )
    assert "together with 'registered'" in left_out(found, "casual")
    assert "together with 'casual'" in left_out(found, "registered")
    assert [column.name for column in found.inputs] == ["age"]


def test_a_column_that_is_known_in_time_is_kept_on_demand(tmp_path: Path) -> None:
    casual, registered = RANDOM.integers(0, 900, ROWS), RANDOM.integers(0, 5000, ROWS)
    columns = {"casual": casual, "registered": registered, "age": AGES, "count": casual + registered}
    assert "--keep casual" in left_out(drafted(tmp_path, csv_text(columns), "count"), "casual")
    one = drafted(tmp_path, csv_text(columns), "count", keep=["casual"])
    assert [column.name for column in one.inputs] == ["casual", "age"]
    both = drafted(tmp_path, csv_text(columns), "count", keep=["casual", "registered"])
    assert [column.name for column in both.inputs] == ["casual", "registered", "age"]


def test_a_strong_column_is_kept_and_asked_about(tmp_path: Path) -> None:
    strong = [answer if place % 20 else "no" for place, answer in enumerate(ANSWERS)]
    found = drafted(tmp_path, with_column("strong", strong))
    assert found.decisions["strong"].role == "input"
    assert 0.8 <= found.strong["strong"] < 0.99


def test_a_date_that_is_all_there_and_past_dates_the_rows(tmp_path: Path) -> None:
    days = [f"2025-01-{number % 28 + 1:02d}" for number in range(ROWS)]
    assert drafted(tmp_path, with_column("day", days)).date == "day"


@pytest.mark.parametrize("day", ["2099-01-31", ""])
def test_a_date_that_can_not_be_right_does_not_date_the_rows(tmp_path: Path, day: str) -> None:
    days = [day, *[f"2025-01-{number % 28 + 1:02d}" for number in range(1, ROWS)]]
    found = drafted(tmp_path, with_column("day", days))
    assert found.date == ""
    assert "'day' does not date the rows" in found.notes[0]
    with pytest.raises(ConfigError, match="can't date the rows"):
        drafted(tmp_path, with_column("day", days), date="day")


@pytest.mark.parametrize(("ahead", "dated"), [(1, "day"), (2, "")])
def test_where_it_is_tomorrow_already_rows_of_that_day_are_dated(tmp_path: Path, ahead: int, dated: str) -> None:
    days = [date.today() + timedelta(days=ahead - number % 9) for number in range(ROWS)]
    assert drafted(tmp_path, with_column("day", days)).date == dated


def test_dates_of_many_years_date_the_rows_only_if_they_are_named(tmp_path: Path) -> None:
    content = with_column("born", [f"{1941 + number % 52}-03-{number % 28 + 1:02d}" for number in NUMBERS])
    found = drafted(tmp_path, content)
    assert (found.date, found.decisions["born"].role) == ("", "input")
    expected = "'born' does not date the rows: it goes from 1941 to 1992. If it says when a row came: --date born"
    assert expected in found.notes
    assert drafted(tmp_path, content, date="born").date == "born"


@pytest.mark.parametrize(("hour", "said"), [("T00:00", False), (" 08:05:00", True), ("", False)])
def test_of_times_that_are_an_input_the_day_alone_is_seen_and_said(tmp_path: Path, hour: str, said: bool) -> None:
    called = [f"2026-01-{number % 28 + 1:02d}{hour}" for number in NUMBERS]
    columns = {"called": called, "answered": called[::-1], **PLAIN}
    found = drafted(tmp_path, csv_text(columns))
    assert ("the day alone" in found.decisions["called"].why) is said
    path = tmp_path / "rows.parquet"
    pl.DataFrame(columns).with_columns(pl.col("called").str.to_datetime(strict=False)).write_parquet(path)
    found = draft(sample(path), Wanted("bought"))
    assert ("the day alone" in found.decisions["called"].why) is said


def test_dates_beside_those_that_date_the_rows_are_an_input(tmp_path: Path) -> None:
    days = [f"2025-01-{number % 28 + 1:02d}" for number in range(ROWS)]
    born = ["" if number % 9 == 0 else f"{1950 + number % 50}/{number % 12 + 1}/5" for number in range(ROWS)]
    found = drafted(tmp_path, csv_text({"day": days, "born": born, **PLAIN}), date="day")
    assert (found.date, found.decisions["born"].role) == ("day", "input")
    assert found.decisions["born"].why == "1950-03-05 to 1999-12-05; missing in 11.3%"
    mistyped = [*born[:20], "5 May", *born[21:]]
    found = drafted(tmp_path, csv_text({"day": days, "born": mistyped, **PLAIN}), date="day")
    assert found.decisions["born"].role == "left out"
    assert found.decisions["born"].why == "dates that can't all be read: write each as 2026-01-31"


def test_of_several_columns_of_dates_none_dates_the_rows_unless_it_is_named(tmp_path: Path) -> None:
    days = [f"2025-01-{number % 28 + 1:02d}" for number in range(ROWS)]
    born = [f"{1950 + number % 50}/{number % 12 + 1}/5" for number in range(ROWS)]
    found = drafted(tmp_path, csv_text({"day": days, "born": born, **PLAIN}))
    assert (found.date, [found.decisions[name].role for name in ("day", "born")]) == ("", ["input", "input"])
    assert found.notes == [
        "'day', 'born' hold dates, and none of them dates the rows. If one says when a row came: --date day"
    ]


def test_all_dates_of_a_large_file_are_within_the_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portfolio.profiling.sample.LARGE_BYTES", 1000)
    monkeypatch.setattr("portfolio.profiling.sample.SAMPLE_ROWS", 60)
    days = [f"2025-01-{number % 28 + 1:02d}" for number in range(ROWS)]
    born = [f"{1950 + number % 50}/{number % 12 + 1}/5" for number in range(ROWS)]
    born[ROWS - 1] = "1901/2/3"
    found = drafted(tmp_path, csv_text({"day": days, "born": born, **PLAIN}), date="day")
    assert not found.sample.whole
    assert found.decisions["born"].why == "1901-02-03 to 1999-10-05"
    born[ROWS - 1] = "long ago"
    found = drafted(tmp_path, csv_text({"day": days, "born": born, **PLAIN}), date="day")
    assert found.decisions["born"].role == "left out"


def test_dates_without_marks_between_are_dates_in_a_large_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portfolio.profiling.sample.LARGE_BYTES", 1000)
    monkeypatch.setattr("portfolio.profiling.sample.SAMPLE_ROWS", 60)
    days = [20250101 + number % 28 for number in range(ROWS)]
    born: list[object] = [19500101 + number % 50 * 10_000 for number in range(ROWS)]
    born[ROWS - 1], born[ROWS - 2] = 19010203, ""
    found = drafted(tmp_path, csv_text({"day": days, "born": born, **PLAIN}), date="day")
    assert not found.sample.whole
    assert found.decisions["day"].why == "dates the rows: 2025-01-01 to 2025-01-28"
    assert found.decisions["born"].why == "1901-02-03 to 1999-01-01; missing in 0.3%"


def test_codes_that_a_few_rows_of_a_large_file_lack_are_categories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portfolio.profiling.sample.LARGE_BYTES", 100)
    monkeypatch.setattr("portfolio.profiling.sample.SAMPLE_ROWS", 1000)
    season = [float(each) for each in RANDOM.integers(1, 5, 4000)]
    chances = [0.8 if each in (1, 3) else 0.2 for each in season]
    bought = [int(RANDOM.random() < chance) for chance in chances]
    # Beyond the sample, which has every fourth row.
    season[5], season[9] = float("nan"), float("inf")
    size = [float(number) for number in RANDOM.normal(size=4000)]
    pl.DataFrame({"season": season, "size": size, "bought": bought}).write_parquet(tmp_path / "rows.parquet")
    found = draft(sample(tmp_path / "rows.parquet"), Wanted("bought"))
    column = found.decisions["season"].column
    assert (found.sample.whole, column.kind, column.values) == (False, "category", ["1", "2", "3", "4"])
    assert column.missing_share > 0


def test_dates_do_not_take_the_place_of_the_text_that_a_model_is_of(tmp_path: Path) -> None:
    due = ["", *["2099-01-31", "2099-02-28"] * 100]
    notes = [f"{word} was what I thought of the room that night {n}" for n, word in enumerate(["good", "bad"] * 101)]
    answers = ["yes" if "good" in note else "no" for note in notes][: len(due)]
    found = drafted(tmp_path, csv_text({"due": due, "note": notes[: len(due)], "bought": answers}))
    assert [column.name for column in found.inputs] == ["note"]


def test_dates_with_the_month_first_are_not_read_as_days_of_january(tmp_path: Path) -> None:
    content = with_column("sold", [f"{number % 12 + 1}/1/{1990 + number // 12}" for number in NUMBERS])
    found = drafted(tmp_path, content)
    assert found.date == ""
    assert "'2/1/1990' seems to have the month first: write it as 1990-02-01" in found.notes[0]
    with pytest.raises(ConfigError, match="seems to have the month first"):
        drafted(tmp_path, content, date="sold")


@pytest.mark.parametrize(("answer", "date"), [(True, "sold"), (False, "")])
def test_dates_that_may_have_the_month_first_are_a_question(tmp_path: Path, answer: bool, date: str) -> None:
    asked = []

    def ask(question: str) -> bool:
        asked.append(question)
        return answer

    (tmp_path / "rows.csv").write_text(
        with_column("sold", [f"{number % 11 + 1}/{number % 9 + 1}/2024" for number in NUMBERS])
    )
    found = draft(sample(tmp_path / "rows.csv"), Wanted("bought"), ask)
    assert (found.date, asked) == (date, ["'sold': does 10/1/2024 mean 2024-01-10, with the day first?"])
    assert any("10/1/2024" in note for note in found.notes)
    assert str(found.decisions["sold"].column.last) == "2024-09-11"


def test_dates_of_which_some_have_the_day_first_date_the_rows_unasked(tmp_path: Path) -> None:
    found = drafted(tmp_path, with_column("sold", [f"{number % 28 + 1}/{number % 9 + 1}/2024" for number in NUMBERS]))
    assert (found.date, found.notes) == ("sold", [])


@pytest.mark.parametrize("title", ["", "Sales of 2024\n\n"])
def test_a_mistyped_date_is_named_with_its_line(tmp_path: Path, title: str) -> None:
    days = [f"{number % 28 + 1:02d}.03.2024" for number in range(ROWS)]
    days[100] = "28,02.2024"
    content = title + csv_text({"day": days, **PLAIN}, ";")
    said = f"line {102 + title.count(chr(10))}: '28,02.2024' is not a date that can be read"
    found = drafted(tmp_path, content)
    assert (found.date, found.notes[0]) == (
        "",
        f"'day' does not date the rows: {said}. Correct the file to have it do so.",
    )
    with pytest.raises(ConfigError, match=re.escape(said)):
        drafted(tmp_path, content, date="day")


def test_a_share_of_rows_without_a_date_is_never_none(tmp_path: Path) -> None:
    days = ["", *["2024-03-01", "2024-03-02"] * 1000]
    rows = {"day": days, "x": RANDOM.normal(size=len(days)), "bought": RANDOM.choice(["no", "yes"], len(days))}
    assert "under 0.1% of the rows have no date in it" in drafted(tmp_path, csv_text(rows)).notes[0]


def test_of_a_workbook_the_sheet_is_told_and_the_others_are_named(tmp_path: Path) -> None:
    table = [list(PLAIN), *zip(*PLAIN.values(), strict=True)]
    workbook(tmp_path / "rows.xlsx", {}, {"cover": [["Internal"]], "sales": table, "returns": table})
    found = draft(sample(tmp_path / "rows.xlsx"), Wanted("bought"))
    assert "The rows are those of the sheet 'sales'. There are also: cover, returns." in found.notes[0]
    workbook(tmp_path / "rows.xlsx", {}, {"sales": table})
    assert draft(sample(tmp_path / "rows.xlsx"), Wanted("bought")).notes == []


def test_999_is_a_question(tmp_path: Path) -> None:
    ages = [999 if place % 10 == 0 else age for place, age in enumerate(AGES)]
    found = drafted(tmp_path, csv_text({**PLAIN, "age": ages}))
    assert found.sample.written.missing == {"age": ("999",)}
    assert found.decisions["age"].column.missing_share == pytest.approx(0.1)
    assert any("999 was taken to mean missing" in note for note in found.notes)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([-1, 1], ["-1", "1"]),
        (["none", "some"], ["some", "none"]),
        (["はい", "いいえ"], ["いいえ", "はい"]),
        (["true", "false"], ["false", "true"]),
        ([0, 1, 2, 10], ["0", "1", "2", "10"]),
        (["01", "02"], ["02", "01"]),
    ],
)
def test_classes_are_the_labels_of_the_data(tmp_path: Path, labels: list[object], expected: list[str]) -> None:
    values = [labels[min(number % 5, len(labels) - 1)] for number in range(ROWS)]
    assert list(drafted(tmp_path, csv_text({**PLAIN, "label": values}), "label").counts) == expected


@pytest.mark.parametrize(
    ("labels", "hinted"),
    [
        ([1, 2, 3], True),
        (["★1", "★2", "★3"], True),
        (["1点", "2点", "10点"], True),
        (["★1", "★2"], False),
        (["a", "b", "c"], False),
        (["★1", "★2", "none"], False),
    ],
)
def test_classes_that_may_be_in_an_order_are_a_question(tmp_path: Path, labels: list[object], hinted: bool) -> None:
    values = [labels[number % len(labels)] for number in range(ROWS)]
    found = drafted(tmp_path, csv_text({**PLAIN, "label": values}), "label")
    assert any("ordered=True" in note for note in found.notes) == hinted


def test_the_class_of_interest_can_be_named(tmp_path: Path) -> None:
    assert list(drafted(tmp_path, csv_text(PLAIN), positive="no").counts) == ["yes", "no"]


COUNTED = [number % 2 for number in range(ROWS)]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([float("nan") if number % 10 == 0 else number % 2 for number in range(ROWS)], ["0", "1"]),
        ([float("inf") if number % 10 == 0 else number % 2 for number in range(ROWS)], ["0", "1"]),
        ([None if number % 10 == 0 else number % 2 for number in range(ROWS)], ["0", "1"]),
        # Words and mistakes among numbers, other ways to write those, and units.
        (["unknown" if number % 10 == 0 else number % 5 for number in range(ROWS)], [*"01234"]),
        (["-" if number % 10 == 0 else f"{number % 2}.0" for number in range(ROWS)], ["0", "1"]),
        (["1O" if number == 7 else number % 2 for number in range(ROWS)], ["0", "1"]),
        ([f"△{number % 2}" if number % 2 else "0" for number in range(ROWS)], ["0", "△1"]),
        ([f"{number % 3 + 1}点" for number in range(ROWS)], ["1点", "2点", "3点"]),
        ([f"{number % 12}点" for number in range(ROWS)], [f"{number}点" for number in range(12)]),
    ],
)
@pytest.mark.parametrize("end", [".csv", ".parquet"])
def test_what_is_no_label_is_no_class(tmp_path: Path, labels: list[object], expected: list[str], end: str) -> None:
    """Each class is called as the rows will be read, which have it as it is written."""
    if end == ".csv":
        found = drafted(tmp_path, csv_text({**PLAIN, "label": labels}), "label")
    else:
        pl.DataFrame({**PLAIN, "label": pl.Series(labels, strict=False)}).write_parquet(tmp_path / "rows.parquet")
        found = draft(sample(tmp_path / "rows.parquet"), Wanted("label"))
    assert sorted(found.counts) == sorted(expected)
    assert sum(found.counts.values()) == round(ROWS * (1 - found.without_target)) - found.target.stray


@pytest.mark.parametrize("rows", [60, ROWS])
@pytest.mark.parametrize("infinite", ["age", "size"])
def test_infinity_is_missing_in_a_target_and_in_an_input(tmp_path: Path, rows: int, infinite: str) -> None:
    columns: dict[str, list[object]] = {"age": [*AGES[:rows]], "town": [*TOWNS[:rows]]}
    columns["size"] = [0.5 * age + float(number % 5) for number, age in enumerate(AGES[:rows])]
    columns[infinite][::20] = ["inf"] * len(columns[infinite][::20])
    found = drafted(tmp_path, csv_text(columns), "size")
    assert found.sample.written.missing == {infinite: ("inf",)}
    assert found.baseline is not None
    assert isfinite(found.baseline.linear)
    assert found.baseline.linear < found.baseline.constant
    assert [column.name for column in found.inputs] == ["age", "town"]
    assert all(isfinite(strength) for strength in found.strong.values())
    assert found.without_target == (pytest.approx(0.05) if infinite == "size" else 0)
    assert "inf" not in use_case_text("sizes", found, 'Folder("files")').replace('"""', "").split("class", 1)[1]


def test_many_different_numbers_are_a_quantity(tmp_path: Path) -> None:
    assert drafted(tmp_path, csv_text(PLAIN), "size").quantity


def test_the_baseline_is_better_than_a_constant_where_there_is_something_to_learn(tmp_path: Path) -> None:
    prices = [
        3 * size + age + float(noise) for size, age, noise in zip(SIZES, AGES, RANDOM.normal(size=ROWS), strict=True)
    ]
    found = drafted(tmp_path, csv_text({**PLAIN, "price": prices}), "price")
    assert found.baseline is not None
    assert found.baseline.linear < 0.2 * found.baseline.constant


@pytest.mark.parametrize("rows", [100, 101, 30_000])
def test_the_most_frequent_answer_is_as_often_right_as_the_class_is_frequent(tmp_path: Path, rows: int) -> None:
    labels = [f"c{number % 4}" for number in range(rows)]
    found = drafted(tmp_path, csv_text({"x": RANDOM.normal(size=rows), "label": labels}), "label")
    assert found.baseline is not None
    share = max(found.counts.values()) / sum(found.counts.values())
    assert found.baseline.constant == pytest.approx(share, abs=0.0005)


def test_a_mistake_in_the_target_or_in_an_input_does_not_spoil_the_baseline(tmp_path: Path) -> None:
    prices = [round(2 * size, 2) for size in SIZES]
    honest = drafted(tmp_path, csv_text({"size": SIZES, "age": AGES, "price": prices}), "price", keep=["size"])
    spoilt = {"size": [*SIZES[:-1], 1e9], "age": AGES, "price": [1e9, *prices[1:]]}
    found = drafted(tmp_path, csv_text(spoilt), "price", keep=["size"])
    assert honest.baseline is not None
    assert found.baseline is not None
    assert found.baseline.constant == pytest.approx(honest.baseline.constant, rel=0.1)
    assert found.baseline.linear < 0.2 * found.baseline.constant


def test_rows_that_all_belong_together_give_no_baseline(tmp_path: Path) -> None:
    content = with_column("site", ["one"] * ROWS)
    assert drafted(tmp_path, content, split_by=["site"]).baseline is None


def test_short_texts_of_which_no_two_are_the_same_can_be_the_text(tmp_path: Path) -> None:
    content = csv_text({"item": [f"{town} room {number}" for number, town in enumerate(TOWNS)], "bought": ANSWERS})
    with pytest.raises(DataError, match=r"'item': names each row.* of the text alone: --text item"):
        drafted(tmp_path, content)
    found = drafted(tmp_path, content, text="item")
    assert (found.key, found.decisions["item"].role, found.decisions["item"].column.kind) == ("", "input", "text")


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], type[Exception], str]] = {
    "a target that is not there": ({}, {"target": "buoght"}, ConfigError, "Did you mean 'bought'"),
    "a key that is not there": ({}, {"key": "id"}, ConfigError, "--key: there is no column 'id'"),
    "a key that is not unique": ({}, {"key": "age"}, ConfigError, "--split-by 'age'"),
    "a key with gaps": ({"id": ["", *range(1, ROWS)]}, {"key": "id"}, ConfigError, "a key names every row"),
    "a date that is none": ({}, {"date": "town"}, ConfigError, "does not hold dates"),
    "a class that is not there": ({}, {"positive": "maybe"}, ConfigError, "There are: no, yes"),
    "the target dropped": ({}, {"drop": ["bought"]}, ConfigError, "is the target"),
    "a column kept that is not there": ({}, {"keep": ["aeg"]}, ConfigError, "--keep: .* Did you mean 'age'"),
    "the target as the text": ({}, {"text": "bought"}, ConfigError, "--text: 'bought' is the target"),
    "the key as the text": (
        {"id": [f"room {number}" for number in range(ROWS)]},
        {"text": "id", "key": "id"},
        ConfigError,
        "can't be both the key and the text",
    ),
    "the target kept": ({}, {"keep": ["bought"]}, ConfigError, "--keep: 'bought' is the target"),
    "a column kept and dropped": ({}, {"keep": ["age"], "drop": ["age"]}, ConfigError, "both kept and dropped"),
    "a constant kept": ({"c": ["x"] * ROWS}, {"keep": ["c"]}, ConfigError, "can't be an input: the same in every row"),
    "a constant target": ({"bought": ["yes"] * ROWS}, {}, DataError, "one value or none"),
    "an empty target": ({"bought": [""] * ROWS}, {}, DataError, "one value or none"),
    "a target of dates": ({"bought": ["2025-01-31", "2025-02-28"] * (ROWS // 2)}, {}, DataError, "holds dates"),
    "150 classes": (
        {"bought": [f"c{number % 150}" for number in range(ROWS)]},
        {},
        DataError,
        "too many to be classes",
    ),
    "a column that the project adds": ({"batch": TOWNS}, {}, DataError, "Rename the one in the file.*--drop 'batch'"),
    "it as the key": ({"batch": range(ROWS)}, {"key": "batch"}, DataError, "Rename the one in the file"),
    "the key that rows without one get": ({"row": TOWNS}, {}, DataError, "adds a column 'row'.*--key row; or rename"),
}


def test_columns_of_names_that_frames_of_ours_have_are_drafted(tmp_path: Path) -> None:
    names = ["count", "value", "rows", "label", "row", "file", "reason", "len", "key", "day"]
    columns = {name: TOWNS[place:] + TOWNS[:place] for place, name in enumerate(names, start=1)}
    found = drafted(tmp_path, csv_text({"id": range(ROWS), **PLAIN, **columns}), key="id")
    assert {column.name for column in found.inputs} == {"age", "size", "town", *names}
    for name in ("count", "value"):
        # Of so many values that no draft takes them for a category, except of a target.
        labels = [f"a {place % 30}" for place in range(ROWS)]
        assert len(drafted(tmp_path, csv_text({**PLAIN, name: labels}), name).counts) == 30
        ages = [*map(str, AGES[:-9]), *["about 30"] * 9]
        found = drafted(tmp_path, csv_text({**PLAIN, name: ages}))
        assert found.decisions[name].column.kind == "number"


def test_a_column_by_a_name_of_ours_can_be_dropped(tmp_path: Path) -> None:
    found = drafted(tmp_path, csv_text({**PLAIN, "batch": TOWNS}), drop=["batch"])
    assert left_out(found, "batch")


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_learnt_from_is_refused_with_the_remedy(tmp_path: Path, case: str) -> None:
    columns, wanted, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        drafted(tmp_path, csv_text({**PLAIN, **columns}), **{"target": "bought", **wanted})


def test_ten_rows_one_column_and_nothing_to_learn_from_are_refused(tmp_path: Path) -> None:
    few = {name: values[:10] for name, values in PLAIN.items()}
    for columns, message in (
        (few, "10 rows. At least 50"),
        ({"bought": ANSWERS}, "has one column"),
        ({"id": list(range(ROWS)), "bought": ANSWERS}, "'id': names each row"),
    ):
        with pytest.raises(DataError, match=message):
            drafted(tmp_path, csv_text(columns))


def test_a_class_of_one_row_is_declared(tmp_path: Path) -> None:
    assert drafted(tmp_path, csv_text({**PLAIN, "bought": ["maybe", *ANSWERS[1:]]})).counts["maybe"] == 1
