"""However a file was written, the same rows are read; what can't be read is refused with the place and the remedy."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from portfolio.core.errors import SourceError
from portfolio.profiling import sample as module
from portfolio.profiling.columns import profile_column
from portfolio.profiling.sample import sample
from tests.profiling.made import AGES, PLAIN, ROWS, SIZES, TOWNS, csv_text, workbook

TEXT = csv_text(PLAIN)
JAPANESE = TEXT.replace("age,size,town,bought", "年齢,面積,町,購入").replace("yes", "はい").replace("Osaka", "大阪")


def written(folder: Path, content: bytes | str, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "euc_jp", "utf-16", "utf-16-le", "utf-16-be"])
def test_the_encoding_is_found_out(tmp_path: Path, encoding: str) -> None:
    rows = sample(written(tmp_path, JAPANESE.encode(encoding))).rows
    assert rows.columns == ["年齢", "面積", "町", "購入"]
    assert rows["年齢"].to_list() == AGES
    assert set(rows["町"]) == {"大阪", "Kyoto", "Nara"}


@pytest.mark.parametrize("names", [("ｼﾒｲ", "ﾈﾝﾚｲ"), ("ﾈﾝﾚｲ", "ﾏﾁ"), ("ﾄﾞﾗﾏ", "年齢")])
def test_half_width_kana_are_found_out(tmp_path: Path, names: tuple[str, str]) -> None:
    content = csv_text({names[0]: PLAIN["town"], names[1]: AGES})
    found = sample(written(tmp_path, content.encode("cp932")))
    assert (found.rows.columns, found.written.encoding) == (list(names), "cp932")


def test_kanji_alone_in_euc_are_found_out(tmp_path: Path) -> None:
    content = csv_text({"性別": ["男性", "女性"] * 150, "血液型": AGES})
    assert sample(written(tmp_path, content.encode("euc_jp"))).rows.columns == ["性別", "血液型"]


def test_a_european_file_of_capitals_is_read(tmp_path: Path) -> None:
    towns = ["ÜBERLINGEN", "ÖHRINGEN", "GROßENHAIN", "À ÎLE"] * 75
    content = csv_text({"ort": towns, "age": AGES})
    assert sample(written(tmp_path, content.encode("latin-1"))).rows["ort"].to_list() == towns


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    ("damaged", "line"),
    [
        ((JAPANESE + "30,20.5,Nara,はい").encode()[:-2], ROWS + 2),
        (JAPANESE.encode().replace("大阪".encode(), "大阪".encode()[:-1], 1), 2 + PLAIN["town"].index("Osaka")),
    ],
    ids=["cut off", "a byte is missing"],
)
def test_utf_8_that_is_damaged_is_told_with_the_line(
    tmp_path: Path, damaged: bytes, line: int, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGE_BYTES", 100 if large else 10**9)
    with pytest.raises(SourceError, match=rf"line {line}: .*UTF-8.* Fetch it again"):
        sample(written(tmp_path, damaged))


def test_a_file_of_a_european_program_is_read(tmp_path: Path) -> None:
    assert "Orléans" in set(sample(written(tmp_path, TEXT.replace("Nara", "Orléans").encode("latin-1"))).rows["town"])


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


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([f"{1234 * number:,}" for number in range(60)], [1234 * number for number in range(60)]),
        ([chr(0xFF11) + chr(0xFF12), chr(0xFF13)] * 30, [12, 3] * 30),
    ],
    ids=["thousands", "full-width digits"],
)
def test_numbers_are_numbers_however_they_were_written(tmp_path: Path, cells: list[str], expected: list[int]) -> None:
    content = csv_text({"count": cells, "bought": ["yes", "no"] * 30})
    assert sample(written(tmp_path, content)).rows["count"].to_list() == expected


def test_parquet_and_workbooks_are_read(tmp_path: Path) -> None:
    pl.DataFrame(PLAIN).write_parquet(tmp_path / "rows.parquet")
    workbook(tmp_path / "rows.xlsx", PLAIN)
    for name in ("rows.parquet", "rows.xlsx"):
        rows = sample(tmp_path / name).rows
        assert (rows["age"].to_list(), rows["town"].to_list()) == (AGES, PLAIN["town"])


def test_the_table_in_a_workbook_is_found(tmp_path: Path) -> None:
    titled = [["Sales of 2025", "", "", ""], list(PLAIN), *zip(*PLAIN.values(), strict=True)]
    workbook(tmp_path / "rows.xlsx", {}, {"cover": [["Internal"]], "sales": titled, "codes": [["a", "b"], ["c", "d"]]})
    found = sample(tmp_path / "rows.xlsx")
    assert (found.written.sheet, found.written.skip_rows) == ("sales", 1)
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


def test_a_file_without_names_is_given_some(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT.split("\n", 1)[1])
    rows = sample(path, ["years", "size", "town", "bought"]).rows
    assert (rows["years"].to_list(), len(rows)) == (AGES, ROWS)
    with pytest.raises(SourceError, match="has 4 fields, and columns= names 2"):
        sample(path, ["years", "size"])


def test_a_large_file_is_not_held_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE_BYTES", 1000)
    monkeypatch.setattr(module, "SAMPLE_ROWS", 50)
    found = sample(written(tmp_path, TEXT))
    assert not found.whole
    assert (found.total, len(found.rows)) == (ROWS, 50)
    assert found.lazy.select(pl.col("age").sum()).collect().item() == sum(AGES)


def test_text_that_is_stored_as_bytes_is_text_in_a_large_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGE_BYTES", 100)
    monkeypatch.setattr(module, "SAMPLE_ROWS", 50)
    path = tmp_path / "rows.parquet"
    rows = pl.DataFrame(PLAIN).with_columns(pl.col("town").cast(pl.Binary))
    # Beyond the sample, one that is no text.
    last = pl.when(pl.int_range(pl.len()) == ROWS - 1).then(pl.lit(b"\xff")).otherwise(pl.lit(b"x"))
    rows.with_columns(picture=last).write_parquet(path)
    found = sample(path)
    assert not found.whole
    assert (found.rows.schema["town"], found.rows.schema["picture"]) == (pl.String, pl.Binary)
    assert set(found.lazy.collect()["town"]) == {"Osaka", "Kyoto", "Nara"}


@pytest.mark.parametrize("large", [False, True])
def test_categories_in_a_parquet_file_are_text(tmp_path: Path, large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE_BYTES", 100 if large else 10**9)
    path = tmp_path / "rows.parquet"
    pl.DataFrame({**PLAIN, "grade": ["1", "2", "3"] * 100}).with_columns(
        pl.col("grade").cast(pl.Categorical), pl.col("town").cast(pl.Enum(["Osaka", "Kyoto", "Nara"]))
    ).write_parquet(path)
    found = sample(path)
    for rows in (found.rows, found.lazy.collect()):
        assert (rows.schema["grade"], rows.schema["town"]) == (pl.String, pl.String)


BROKEN = {
    "spaces between columns": (csv_text(PLAIN, " ").replace(" ", "   "), "has spaces between its columns.*sed"),
    "a file that is not there": (None, "Check its path"),
    "an empty file": ("", "is empty"),
    "blank lines only": (" \n\n", "is empty"),
    "names and no rows": ("a,b\n", "no rows"),
    "no names": (TEXT.split("\n", 1)[1], "line 1, should have the names of the columns"),
    "words and no names": ("ham,see you\nspam,a prize\nham,ok\nham,yes\n" * 9, "--columns first,second"),
    "a name twice": (TEXT.replace("age,size", "age,age"), "names the column 'age' twice"),
    "two columns without a name": (TEXT.replace("age,size", ","), "no names for the columns 1, 2"),
    "a row that is too long": (TEXT.replace("\n", "\n1,2,Nara,yes,5\n", 1), "line 2, has 5 fields where there are 4"),
    "a last line that was cut off": (TEXT[:-6], "was cut off: its last line has 3 of 4 fields"),
    "a last line of one value that was cut off": (f"{TEXT}3", "was cut off: its last line has 1 of 4 fields: '3'"),
    "a last line of one word that was cut off": (f"{TEXT}Osa", "last line has 1 of 4 fields: 'Osa'"),
    "a quotation mark that nothing closes": (f'{TEXT}30,9.1,"Os', f"line {ROWS + 2}: no quotation mark closes"),
    "5,000 columns": (csv_text({f"c{number}": [1] * 60 for number in range(5000)}), "5,000 columns"),
    "a PDF": (b"%PDF-1.4 " + bytes(500), "a PDF document"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(500), "a picture"),
    "JSON": ('[{"a": 1}]', "a JSON document"),
    "bytes of nothing": (bytes(range(256)) * 8, "not text"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_refused_with_the_place_and_the_remedy(tmp_path: Path, case: str) -> None:
    content, message = BROKEN[case]
    path = tmp_path / "rows.csv" if content is None else written(tmp_path, content)
    with pytest.raises(SourceError, match=message) as refused:
        sample(path)
    assert str(path) in str(refused.value)


def test_rows_that_leave_out_empty_cells_at_their_end_are_read(tmp_path: Path) -> None:
    content = "\n".join(line.removesuffix(",no") for line in TEXT.splitlines())
    assert sample(written(tmp_path, content)).rows["bought"].null_count() == PLAIN["bought"].count("no")


@pytest.mark.parametrize("end", ["\n", "\n\n\n", ",,,\n"])
def test_blank_lines_are_no_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    path = written(tmp_path, TEXT + end)
    found = sample(path)
    assert (found.total, found.rows["age"].null_count(), found.written.skip_footer) == (ROWS, 0, 0)
    monkeypatch.setattr(module, "LARGE_BYTES", 1000)
    found = sample(path)
    assert (found.total, found.rows["age"].null_count(), len(found.lazy.collect())) == (ROWS, 0, ROWS)


@pytest.mark.parametrize(
    "note", ["Source: made up", "Stand: Januar", "※速報値", "These are early figures", "数値は確定前のものである"]
)
@pytest.mark.parametrize("end", ["", "\n"])
def test_notes_after_the_rows_are_skipped_also_without_a_line_end(tmp_path: Path, note: str, end: str) -> None:
    found = sample(written(tmp_path, f"{TEXT}{note}{end}"))
    assert (found.written.skip_footer, found.rows["age"].to_list()) == (1, AGES)


@pytest.mark.parametrize(
    ("prices", "lowest", "highest"),
    [
        # 1.200 EUR beside 850 EUR is a thousand and two hundred.
        ([f"{price:,} €".replace(",", ".") for price in range(501, 1701, 4)], 501, 1697),
        ([f"{price:,} €".replace(",", ".") for price in range(1001, 2201, 4)], 1001, 2197),
        ([f"€ {price:,},50".replace(",", ".", 1) for price in range(1001, 2201, 4)], 1001.5, 2197.5),
        ([f"{price / 10:.1f} kg".replace(".", ",") for price in range(501, 801)], 50.1, 80),
        # Weights to the gram: some have other decimals, or more before the point than a group.
        ([f"{price / 1000:g} kg" for price in range(501, 801)], 0.501, 0.8),
        ([f"{1000 + price / 1000:.3f} kg" for price in range(501, 801)], 1000.501, 1000.8),
        ([f"0.{price} kg" for price in range(501, 801)], 0.501, 0.8),
        ([f"{price:,} €".replace(",", "\u202f") for price in range(501, 1701, 4)], 501, 1697),
        ([f"{price:,}".replace(",", "\u00a0") for price in range(1697, 500, -4)], 501, 1697),
    ],
)
def test_what_divides_thousands_is_told_of_numbers_with_a_unit_too(
    tmp_path: Path, prices: list[str], lowest: float, highest: float
) -> None:
    content = csv_text({"price": prices, "town": TOWNS, "size": [f"{size}".replace(".", ",") for size in SIZES]}, ";")
    column = profile_column(sample(written(tmp_path, content)).rows["price"])
    assert (column.kind, column.minimum, column.maximum) == ("number", lowest, highest)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["3,14", "1,5", "2"], [3.14, 1.5, 2]),
        (["1.200,50", "1,5", "2"], [1200.5, 1.5, 2]),
        # Lists, and a comma between thousands, are none.
        (["1,2", "1,2,3", "2"], ["1,2", "1,2,3", "2"]),
        (["1,234", "10,000", "2"], [1234, 10000, 2]),
    ],
)
def test_decimal_commas_in_quotation_marks_are_found(
    tmp_path: Path, cells: list[str], expected: list[float | str]
) -> None:
    content = csv_text({"age": AGES, "size": cells * 100, "bought": PLAIN["bought"]})
    assert sample(written(tmp_path, content)).rows["size"].to_list() == expected * 100
    # Beside decimal points, a comma is something else.
    if isinstance(expected[0], float):
        content = csv_text({"weight": SIZES, "size": cells * 100, "bought": PLAIN["bought"]})
        assert sample(written(tmp_path, content)).rows["size"].to_list() == cells * 100


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
