"""Separators, titles, notes and sheets are found out."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from portfolio.core.errors import SourceError
from portfolio.profiling.sample import sample
from tests.profiling.made import AGES, PLAIN, ROWS, SIZES, csv_text, workbook, written

TEXT = csv_text(PLAIN)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (csv_text(PLAIN, ";"), "rows.csv"),
        (csv_text(PLAIN, "\t"), "rows.csv"),
        (csv_text(PLAIN, "\t"), "rows.tsv"),
        (csv_text(PLAIN, "|"), "rows.txt"),
        (csv_text(PLAIN, ";").replace(".", ","), "rows.csv"),
        (TEXT.replace("\n", "\r\n"), "rows.csv"),
        (TEXT.replace("\n", "\r"), "rows.csv"),
        (TEXT.replace(",", " , "), "rows.csv"),
        (f"統計表\n2025年\n\n{TEXT}\n注1 速報値\n", "rows.csv"),
        (f"統計表,,,\n,,,2025年\n{TEXT},,,\n※ 速報値,,,\n", "rows.csv"),
    ],
    ids=["semicolon", "tab", "tsv", "pipe", "decimal comma", "crlf", "cr", "spaces", "titles and notes", "padded"],
)
def test_separators_line_ends_and_titles_are_found_out(tmp_path: Path, content: str, name: str) -> None:
    rows = sample(written(tmp_path, content, name)).rows
    assert {column: [str(value).strip() for value in rows[column]] for column in rows.columns} == {
        column: [str(value) for value in values] for column, values in PLAIN.items()
    }
    assert rows["size"].dtype == pl.Float64


def test_the_table_in_a_workbook_is_found(tmp_path: Path) -> None:
    titled = [["Sales of 2025", "", "", ""], list(PLAIN), *zip(*PLAIN.values(), strict=True)]
    workbook(tmp_path / "rows.xlsx", {}, {"cover": [["Internal"]], "sales": titled, "codes": [["a", "b"], ["c", "d"]]})
    found = sample(tmp_path / "rows.xlsx")
    assert (found.written.sheet, found.written.skip_rows) == ("sales", 1)
    assert {column: found.rows[column].to_list() for column in found.rows.columns} == PLAIN


@pytest.mark.parametrize("titles", [[], [["Sales of 2025"]], [["Sales", "", "in 2025"], []]])
def test_a_table_below_blank_rows_of_a_workbook_is_found(tmp_path: Path, titles: list[list[str]]) -> None:
    table = [list(PLAIN), *zip(*PLAIN.values(), strict=True)]
    workbook(tmp_path / "rows.xlsx", {}, {"sales": [[], [], *titles, *table]})
    found = sample(tmp_path / "rows.xlsx")
    assert found.written.skip_rows == 2 + len(titles)
    assert {column: found.rows[column].to_list() for column in found.rows.columns} == PLAIN


def test_a_workbook_that_can_not_be_used_says_why(tmp_path: Path) -> None:
    path, body = tmp_path / "rows.xlsx", list(zip(*PLAIN.values(), strict=True))
    for sheets, message in (
        ({"sales": body}, "should have the names of the columns"),
        ({"cover": [["Internal"]], "sales": body}, "should have the names of the columns"),
        ({"sales": [["age", "age", "town", "bought"], *body]}, "names the column 'age' twice"),
        ({"sales": []}, r"sheet 'sales'.* is empty"),
        ({"a": [], "b": []}, r"sheet 'a'.* is empty"),
    ):
        workbook(path, {}, sheets)
        with pytest.raises(SourceError, match=message):
            sample(path)
    workbook(path, {}, {"sales": body})
    assert sample(path, list(PLAIN)).rows["age"].to_list() == AGES


def test_a_small_table_behind_an_empty_sheet_is_found(tmp_path: Path) -> None:
    workbook(tmp_path / "rows.xlsx", {}, {"empty": [], "sales": [["a", "b"], *[[n, "x"] for n in range(12)]]})
    assert len(sample(tmp_path / "rows.xlsx").rows) == 12


@pytest.mark.parametrize("note", ["Vorläufig", "Early figures", "速報"])
@pytest.mark.parametrize("end", ["", "\n"])
def test_a_word_or_two_are_a_note_below_numbers(tmp_path: Path, note: str, end: str) -> None:
    """No row begins like that."""
    found = sample(written(tmp_path, f"{TEXT}{note}{end}"))
    assert (found.written.skip_footer, found.rows["age"].to_list()) == (1, AGES)


@pytest.mark.parametrize(
    "note", ["Source: made up", "Stand: Januar", "※速報値", "These are early figures", "数値は確定前のものである"]
)
@pytest.mark.parametrize("end", ["", "\n"])
def test_notes_after_the_rows_are_skipped_also_without_a_line_end(tmp_path: Path, note: str, end: str) -> None:
    found = sample(written(tmp_path, f"{TEXT}{note}{end}"))
    assert (found.written.skip_footer, found.rows["age"].to_list()) == (1, AGES)


@pytest.mark.parametrize("note", ["", "Source: made up\n"])
def test_a_long_text_at_the_end_is_not_taken_for_notes(tmp_path: Path, note: str) -> None:
    review = "\n".join(f"This is the line {number} of a letter" for number in range(30))
    content = csv_text({"age": AGES, "bought": PLAIN["bought"], "review": ["good"] * (ROWS - 1) + [review]})
    rows = sample(written(tmp_path, content + note)).rows
    assert (len(rows), rows["review"][-1]) == (ROWS, review)


@pytest.mark.parametrize("title", ["# exported, by tool\n", "# exported, by tool\n# on, a, day, in May\n"])
def test_comments_with_commas_above_the_names_are_skipped(tmp_path: Path, title: str) -> None:
    content = csv_text({"age": AGES, "bought": PLAIN["bought"]})
    assert sample(written(tmp_path, title + content)).rows.columns == ["age", "bought"]


def test_a_name_may_begin_with_a_number_sign(tmp_path: Path) -> None:
    content = csv_text({"# of rooms": AGES, "#": SIZES, "bought": PLAIN["bought"]})
    assert sample(written(tmp_path, content)).rows.columns == ["# of rooms", "#", "bought"]
